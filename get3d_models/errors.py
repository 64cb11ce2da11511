"""The one error that reaches a user as a single line."""


class InputError(ValueError):
    """Something the user gave cannot be used; the message says what is wrong and what to do, in one line."""
