"""The one error that reaches a user as a single line."""


class InputError(ValueError):
    """Something the user gave cannot be used; the message says what is wrong and what to do, in one line.

    Messages quote names from files and file systems. Line breaks in these become spaces, other characters that are not
    printable a replacement character: neither may reach a terminal.
    """

    def __init__(self, message: str):
        line = " ".join(str(message).splitlines())
        super().__init__("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line))
