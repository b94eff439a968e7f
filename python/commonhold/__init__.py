"""Shared objects for processes and machines.

    import commonhold

    ch = commonhold.connect()
    hits = ch.dict("hits")
    hits.increment("/index")
"""

import os
import sys
import weakref

from commonhold._native import Client, Dict
from commonhold.errors import (
    AuthenticationError,
    Conflict,
    ConnectionLost,
    Error,
    OutOfBounds,
    Refused,
    WrongKind,
    WrongType,
)

__all__ = [
    "AuthenticationError",
    "Client",
    "Conflict",
    "ConnectionLost",
    "Dict",
    "Error",
    "OutOfBounds",
    "Refused",
    "WrongKind",
    "WrongType",
    "connect",
]

_clients = weakref.WeakSet()


def connect(url=None, *, key_file=None, name=None):
    """Connects to a server that runs already, and waits up to 2 s for one that is just starting.

    url: "unix:///path", "tcp://host:port" or "host:port"; without one, $COMMONHOLD_URL, else this user's own server.
    key_file: the file with the server's key; without one, $COMMONHOLD_AUTHKEY, $COMMONHOLD_AUTHKEY_FILE, else the user's.
    name: what the server calls this client when it tells who holds what; without one, the program's.
    """
    if name is None:
        name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    client = Client(url, key_file=key_file, name=name or None)
    _clients.add(client)
    return client


def _forked():
    for client in list(_clients):
        client._forked()


# A child that kept its parent's sockets open would keep the parent alive in the server's eyes.
os.register_at_fork(after_in_child=_forked)
