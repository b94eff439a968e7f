"""The connections of this process: one for each manager and key, which all its threads share.

A forked child goes on with sessions of its own. What it inherits of proxies is pinned just before the fork, and held by the
child's own session as soon as multiprocessing starts it, or at its first call.
"""

import os
import threading
import time
import weakref
from multiprocessing import process, util

from commonhold import _native, errors
from commonhold.client import Client as NativeClient
from commonhold.multiprocessing.codec import Codec
from commonhold.multiprocessing.errors import ManagerGone, translated

#: How long a server that keeps its data is waited for when the connection breaks, in seconds, and any other: on this machine
#: it has ended, and all that it had; a network may recover.
PATIENCE = 60.0
IMPATIENCE = 2.0
# A proxy on its way to another process, or inherited by one that just starts, is kept for so long.
_PIN = 60

# Which process this is, counted in forks from the first. What was held before a fork is another's.
generation = 0

_clients = {}
_keys = {}
_lock = threading.RLock()


def url_of(address):
    """The URL of an address as multiprocessing has it."""
    if isinstance(address, str):
        if address.startswith("\0"):
            raise ValueError("sockets in the abstract namespace are not supported: use the path of a file")
        return "unix://" + os.path.abspath(address)
    try:
        host, port = address
    except (TypeError, ValueError):
        raise ValueError(f"address type of {address!r} unrecognized") from None
    host = host or "127.0.0.1"
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


class Client(NativeClient):
    """The connection of this process to one manager."""

    def __new__(cls, address, authkey, patience):
        name = process.current_process().name
        # A manager either is there or is not: only a broken connection is worth waiting.
        waits = (0.0, patience)
        return super().__new__(
            cls, url_of(address), codec=Codec(address), authkey=bytes(authkey), name=name, patience=waits
        )

    def __init__(self, address, authkey, _patience):
        self.address = address
        self.authkey = authkey
        # Why its calls fail from now on.
        self.gone = None
        # Of new objects; None is the server's default. What is durable may only refer to what is.
        self.durability = None
        # The proxies of this process by their ids: a program's own may not be hashable.
        self._proxies = {}
        self._said_goodbye = None
        self.enter()

    def enter(self):
        """This process says goodbye when it ends: what it holds of locks stays held then, as with multiprocessing."""
        self._said_goodbye = util.Finalize(None, _close, args=(weakref.ref(self),), exitpriority=-100)

    def __reduce__(self):
        raise TypeError("the connection to a manager belongs to its process: send a proxy, which finds the manager")

    def keeps(self, proxy):
        """A proxy is to be kept over forks."""
        number = id(proxy)

        def forget(_, proxies=self._proxies):
            proxies.pop(number, None)

        self._proxies[number] = weakref.ref(proxy, forget)

    def proxies(self):
        """The proxies of this process that are around."""
        return [proxy for proxy in (weak() for weak in list(self._proxies.values())) if proxy is not None]

    def hold(self, oids):
        """Objects by their numbers, None for those that are gone: this process holds them from now on."""
        try:
            held = self._server()._call("hold", oids)
        except errors.Error as error:
            raise translated(error, self.gone) from None
        # An empty list is false, and there all the same.
        return [None if proxy is None else proxy._referent for proxy in held]

    def pin(self, oids):
        """Keeps objects for a while, whoever holds them, if that can be said at once."""
        try:
            _native.Object(self, "server", "$server")._wait(0, "pin", oids, _PIN)
        except Exception as error:
            util.info("cannot pin shared objects: %s", error)

    def end(self, why):
        """Says goodbye for good."""
        self.gone = why
        self.close()

    def _shown(self, found):
        from commonhold.multiprocessing import proxies

        return proxies.of_reference(self, found)


def _close(weak):
    client = weak()
    if client is not None and client.gone is None:
        client.end("this process has said goodbye to its manager")


def of(address, authkey):
    """The connection to a manager."""
    key = (address, bytes(authkey))
    with _lock:
        client = _clients.get(key)
        if client is None:
            client = _clients[key] = _connect(address, authkey)
        return client


def _connect(address, authkey):
    until = time.monotonic() + IMPATIENCE
    while True:
        try:
            client = Client(address, authkey, 0.0 if isinstance(address, str) else IMPATIENCE)
            if client.status()["data"]:
                # It comes back with all that it had.
                client.end("another connection took over")
                client = Client(address, authkey, PATIENCE)
                client.durability = "durable"
        except errors.Error as error:
            raised = translated(error)
        else:
            _keys[address] = authkey
            return client
        # Somebody listened, but was just about to begin or to end.
        if not isinstance(raised, ManagerGone) or time.monotonic() > until:
            try:
                raise raised
            finally:
                del raised
        time.sleep(0.02)


def end(address, why):
    """Says goodbye to a manager that is gone."""
    with _lock:
        ended = [_clients.pop(key) for key in list(_clients) if key[0] == address]
        _keys.pop(address, None)
    for client in ended:
        client.end(why)


def key_of(address):
    """The key that this process used for a manager, or its own."""
    return _keys.get(address) or process.current_process().authkey


def remember_key(address, authkey):
    """A key that other proxies of the same manager may need, too."""
    _keys.setdefault(address, authkey)


def renew():
    """A child that multiprocessing started holds what it inherited, and says goodbye on its own behalf."""
    for client in list(_clients.values()):
        try:
            client.enter()
            reattach(client)
        except Exception as error:
            # The manager may have been shut down.
            util.info("cannot hold inherited proxies: %s", error)


def reattach(client):
    """All proxies of a client that belong to another process, or to none yet, are held by this one."""
    stale = [proxy for proxy in client.proxies() if proxy._generation != generation]
    numbers = [proxy for proxy in stale if proxy._oid() is not None]
    held = client.hold([proxy._oid() for proxy in numbers]) if numbers else []
    for proxy, referent in zip(numbers, held):
        if referent is not None:
            proxy._attach(referent)
    for proxy in stale:
        proxy._generation = generation


def _before_fork():
    for client in list(_clients.values()):
        oids = [oid for oid in (proxy._oid() for proxy in client.proxies()) if oid is not None]
        if oids and client.gone is None:
            client.pin(oids)


def _in_child():
    global generation, _lock
    generation += 1
    _lock = threading.RLock()
    for client in list(_clients.values()):
        client._forked()


class _Renewal:
    """Lives as long as this module: multiprocessing calls back for what is alive."""


_renewal = _Renewal()
util.register_after_fork(_renewal, lambda _: renew())
os.register_at_fork(before=_before_fork, after_in_child=_in_child)
