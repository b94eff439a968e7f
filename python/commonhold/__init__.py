"""Shared objects for processes and machines.

    import commonhold

    ch = commonhold.connect()
    hits = ch.dict("hits")
    hits.increment("/index")
"""

import os

from commonhold.client import Client, opened, own_name
from commonhold.embedded import Embedded
from commonhold.errors import (
    AuthenticationError,
    BadArguments,
    Broken,
    Conflict,
    ConnectionLost,
    Deadlock,
    Error,
    FencedOut,
    LockLost,
    LockTimeout,
    NoMethod,
    NotFound,
    NotOwner,
    ObjectGone,
    OutOfBounds,
    Refused,
    TooLarge,
    Unreadable,
    WrongKind,
    WrongType,
)
from commonhold.jobs import Job, Queue, ShutDown
from commonhold.locks import Condition, Grant, Lock, RWLock
from commonhold.mapping import Dict, Namespace
from commonhold.nested import Place
from commonhold.sequence import Array, List
from commonhold.sets import Set
from commonhold.value import Counter, Value
from commonhold.waiting import Barrier, BoundedSemaphore, Event, Latch, Semaphore

__all__ = [name for name in dir() if name[0].isupper()]
__all__ += ["connect", "open"]

def connect(url=None, *, key_file=None, name=None, codec=None):
    """Connects to a server that runs already, and waits up to 2 s for one that is just starting.

    url: "unix:///path", "tcp://host:port" or "host:port"; without one, $COMMONHOLD_URL, else this user's own server.
    key_file: the file with the server's key; without one, $COMMONHOLD_AUTHKEY, $COMMONHOLD_AUTHKEY_FILE, else the user's.
    codec: what becomes of objects that are no values: "pickle", or an object with a `name`, `dumps` and `loads`. Without one
    they are refused, and nothing is ever unpickled.
    name: what the server calls this client when it tells who holds what; without one, the program's.
    """
    return Client(url, key_file=key_file, name=own_name() if name is None else name or None, codec=codec)


def open(path, *, name=None, codec=None):
    """Shared objects that a folder keeps, without a server process.

    path: the folder; it is made if it is absent. Processes that open the same one are served by the first of them, and when that
    ends, by another. What was created with durability "memory" ends with the process that serves. Other arguments as of
    `connect`.
    """
    return Embedded(path, name=own_name() if name is None else name or None, codec=codec)


def _forked():
    for client in list(opened):
        client._forked()


# A child that kept its parent's sockets open would keep the parent alive in the server's eyes.
os.register_at_fork(after_in_child=_forked)
