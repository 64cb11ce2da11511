"""The viewer in a browser: one front door for all browsers, and a process of its own for each session."""
