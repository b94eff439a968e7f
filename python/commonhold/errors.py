"""What goes wrong: a refusal is the server's "no", everything else is a failure on the way.

Where Python has an exception for it, that one is raised or derived from: KeyError, IndexError, queue.Empty, queue.Full and
threading.BrokenBarrierError are the builtins themselves.
"""

import queue


class Error(Exception):
    """Anything that this package raises, but for Python's own exceptions."""


class Unreadable(Error):
    """What came was made by a codec that this client was not given. `value` stands for it and can be stored again."""

    def __init__(self, message, value=None):
        super().__init__(message)
        self.value = value


class Refused(Error):
    """The server understood and said no. `code` is the reason's name, as in the protocol."""

    code = ""


class NotFound(Refused, LookupError):
    """There is no such object, although the caller said that there must be."""


class Missing(NotFound):
    """Something inside an object is missing; the proxies say it as Python does, by KeyError for instance."""


class WrongKind(Refused, TypeError):
    """The object of this name is of another kind."""


class WrongType(Refused, TypeError):
    """The value is of a type that the method cannot work on."""


class NoMethod(Refused, AttributeError):
    """Objects of this kind have no such method."""


class BadArguments(Refused, ValueError):
    """The method does not take these arguments."""


class OutOfBounds(Refused, ValueError):
    """The result would leave the bounds that the caller gave."""


class Conflict(Refused):
    """Something exists already, or is not as the caller expected."""


class NotOwner(Refused, RuntimeError):
    """The caller does not hold what it wants to give back or to use."""


class Deadlock(Refused, RuntimeError):
    """The caller would wait for itself."""


class FencedOut(Refused):
    """The write names a grant that does not hold any more; nothing was written."""


class LockLost(Refused):
    """The lock was lost before: another may have had it meanwhile."""


class LockTimeout(Refused, TimeoutError):
    """The lock was not free in time; the message says who holds it."""


class Broken(Refused):
    """The barrier is broken, or the queue shut down."""


class ObjectGone(Refused):
    """The object was deleted."""


class TooLarge(Refused):
    """A limit of the server would be exceeded."""


class ConnectionLost(Error, ConnectionError):
    """The server cannot be reached, or not any more.

    `happened` tells whether the call was carried out: True, False, or None where that cannot be told.
    """

    def __init__(self, message, happened=None):
        super().__init__(message)
        self.happened = happened


class AuthenticationError(Error):
    """The server does not know the key, or cannot prove that it knows it."""


_BY_CODE = {
    kind.__name__: kind
    for kind in (
        NotFound,
        WrongKind,
        WrongType,
        NoMethod,
        BadArguments,
        OutOfBounds,
        Conflict,
        NotOwner,
        FencedOut,
        LockLost,
        Broken,
        ObjectGone,
        TooLarge,
    )
} | {
    "DeadlineExceeded": LockTimeout,
    "WouldBlock": Deadlock,
    "ValueTooLarge": TooLarge,
    "Empty": queue.Empty,
    "Full": queue.Full,
}


def refused(code, message):
    """The exception for a refusal of this code."""
    error = _BY_CODE.get(code, Refused)(message)
    if isinstance(error, Refused):
        error.code = code
    return error
