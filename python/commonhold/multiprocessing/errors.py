"""Errors, as programs for multiprocessing's managers expect them."""

import errno
import os
import re
import threading
import traceback
from multiprocessing import AuthenticationError, ProcessError

from commonhold import errors

__all__ = ["AuthenticationError", "ProcessError", "RemoteError"]


class RemoteError(Exception):
    """The manager could not do what it was asked for; the argument is the text of a traceback."""

    def __str__(self):
        line = "-" * 75
        return f"\n{line}\n{self.args[0]}{line}"


class ManagerGone(errors.ConnectionLost, EOFError):
    """The manager ended, or cannot be reached any more."""


_BUILTIN = (
    (errors.NotOwner, RuntimeError),
    (errors.Deadlock, RuntimeError),
    (errors.OutOfBounds, ValueError),
    (errors.BadArguments, ValueError),
    (errors.TooLarge, ValueError),
    (errors.WrongType, TypeError),
)


def remote():
    """What to raise for the exception that is being handled, which happened on behalf of the manager."""
    return RemoteError(traceback.format_exc())


def translated(error, gone=None):
    """What a program expects in place of an error of this package. gone: why the manager cannot be there, if it cannot."""
    if gone is not None:
        return ManagerGone(gone, False)
    if isinstance(error, errors.ConnectionLost):
        return _unreachable(error)
    if isinstance(error, errors.AuthenticationError):
        return AuthenticationError("digest sent was rejected")
    if isinstance(error, errors.Broken):
        return threading.BrokenBarrierError()
    if isinstance(error, (errors.ObjectGone, errors.NotFound, errors.NoMethod)):
        return remote()
    for kind, builtin in _BUILTIN:
        if isinstance(error, kind):
            return builtin(str(error))
    return error


def _unreachable(error):
    """Nobody listens: as sockets say it. A connection that broke is an end of file, too."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    if found is None or int(found[1]) not in (errno.ECONNREFUSED, errno.ENOENT):
        return ManagerGone(str(error), error.happened)
    return OSError(int(found[1]), f"{os.strerror(int(found[1]))}: {error}")
