"""The viewer: one application, shown in a desktop window (``desktop``) or in a browser (``web``).

The window is one process, the session and its drag another (``worker``), so that the window stays fluid. Between them
go plain values: ``intents`` say what a person wants, ``replies`` what has become of it. ``application`` is what both
windows share: tools, keys, the panel's values; ``scene`` draws with PyVista. Nothing in here computes an edit, and the
window's process never imports torch.
"""
