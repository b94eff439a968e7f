"""What goes wrong: a refusal is the server's "no", everything else is a failure on the way."""


class Error(Exception):
    """Anything that this package raises, but for Python's own KeyError, TypeError and ValueError."""


class Refused(Error):
    """The server understood and said no. `code` is the reason's name, as in the protocol."""

    code = ""


class WrongKind(Refused, TypeError):
    """The object of this name is of another kind."""


class WrongType(Refused, TypeError):
    """The value is of a type that the method cannot work on."""


class OutOfBounds(Refused, ValueError):
    """The result would leave the bounds that the caller gave."""


class Conflict(Refused):
    """Something exists already, or is not as the caller expected."""


class AuthenticationError(Error):
    """The server does not know the key, or cannot prove that it knows it."""


class ConnectionLost(Error, ConnectionError):
    """The server cannot be reached, or not any more.

    `happened` tells whether the call was carried out: True, False, or None where that cannot be told.
    """

    def __init__(self, message, happened=None):
        super().__init__(message)
        self.happened = happened


_BY_CODE = {kind.__name__: kind for kind in (WrongKind, WrongType, OutOfBounds, Conflict)}


def refused(code, message):
    """The exception for a refusal of this code."""
    error = _BY_CODE.get(code, Refused)(message)
    error.code = code
    return error
