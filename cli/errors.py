"""What the command line says when it cannot do what it was asked."""


class Failed(Exception):
    """The command could not be done; the message says what happened, to which thing, and what to do."""

    exit_code = 1
