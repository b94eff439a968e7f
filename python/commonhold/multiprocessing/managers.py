"""Managers: they start a server in a process of its own, or connect to one, and make proxies of its objects."""

import errno
import os
import sys
import time
from multiprocessing import connection, get_context, managers, pool, process, util
from multiprocessing.reduction import ForkingPickler

from commonhold import errors
from commonhold.multiprocessing import clients, registry
from commonhold.multiprocessing.base import AutoProxy, BaseProxy, MakeProxyType, RebuildProxy, Token, token_of
from commonhold.multiprocessing.child import REQUESTS, run, serve_here
from commonhold.multiprocessing.codec import is_own, pickled
from commonhold.multiprocessing.errors import ProcessError, RemoteError, remote, translated
from commonhold.multiprocessing.proxies import (
    AcquirerProxy,
    ArrayProxy,
    BarrierProxy,
    BaseListProxy,
    ConditionProxy,
    DictProxy,
    EventProxy,
    IteratorProxy,
    ListProxy,
    NamespaceProxy,
    ValueProxy,
)
from commonhold.multiprocessing.registry import Array, Namespace, NotHosted, Value

__all__ = ["BaseManager", "BaseProxy", "SharedMemoryManager", "SyncManager", "Token"]

# A manager that was just started again has its service a moment after its server.
_SERVICE_FOR = 2.0
# What goes wrong with the arguments of a creation, which CPython's manager makes in its own process. A signal's handler may
# raise anything else meanwhile.
_OF_MAKING = (errors.Error, TypeError, ValueError, ArithmeticError, AttributeError, LookupError, NotImplementedError)


class State:
    """What a manager is doing, shared with what outlives it."""

    INITIAL = 0
    STARTED = 1
    SHUTDOWN = 2

    __slots__ = ("value",)

    def __init__(self):
        self.value = State.INITIAL


class BaseManager:
    """Starts a process that holds shared objects, or connects to one that another program started.

    address: the path of a socket, or a host and a port, 0 for a free one; without one, a socket in a folder of its own.
    authkey: bytes that all who connect must have; without one, that of the current process.
    serializer: "pickle".
    shutdown_timeout: how many seconds the process has to end by itself.
    """

    _registry = {}

    def __init__(
        self, address=None, authkey=None, serializer="pickle", ctx=None, *, shutdown_timeout=1.0
    ):
        if authkey is None:
            authkey = process.current_process().authkey
        if serializer != "pickle":
            raise ValueError(f"the serializer {serializer!r} is not supported: leave it out, or give 'pickle'")
        self._address = address
        self._authkey = process.AuthenticationString(authkey)
        self._state = State()
        self._serializer = serializer
        self._ctx = ctx or get_context()
        self._shutdown_timeout = shutdown_timeout
        self._process = None
        # What its process was told at the start; none has not been started by this.
        self._told = None

    @property
    def address(self):
        """Where the manager's process listens."""
        return self._address

    def get_server(self):
        """A server for this process; nobody can connect before its `serve_forever`."""
        self._check_initial()
        return ForegroundServer(self)

    def connect(self):
        """Connects to the process that another manager started at this address."""
        clients.of(self._address, self._authkey)
        self._state.value = State.STARTED

    def start(self, initializer=None, initargs=()):
        """Starts the manager's process. The initializer is called in it first."""
        self._check_initial()
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        control, child = self._ctx.Pipe()
        address, callables = _listens_at(self._address), self._callables()
        started = self._ctx.Process(
            target=run,
            args=(callables, address, bytes(self._authkey), self._data(), child, initializer, initargs),
        )
        identity = ":".join(map(str, started._identity))
        started.name = f"{type(self).__name__}-{identity}"
        self._process = started
        started.start()
        child.close()
        try:
            address, error = control.recv()
        except EOFError:
            started.join()
            raise
        if error is not None:
            started.join()
            raise error
        self._address, self._told = address, callables
        if self._data() is None:
            # What a server there had before is gone with it.
            clients.end(address, f"the manager at {address!r} has ended, and another one serves there")
        clients.remember_key(address, self._authkey)
        self._state.value = State.STARTED
        self.shutdown = util.Finalize(
            self,
            type(self)._finalize_manager,
            args=(started, address, self._state, control, self._shutdown_timeout),
            exitpriority=0,
        )

    def _data(self):
        """The folder in which a server at an address that others know keeps everything; None is in memory."""
        return os.environ.get("COMMONHOLD_DATA") or None if self._address is not None else None

    def _callables(self):
        """What the manager's process may be asked to call."""
        return {typeid: entry[0] for typeid, entry in self._registry.items()}

    @staticmethod
    def _finalize_manager(started, address, state, control, shutdown_timeout):
        """Ends the manager's process, in order if it can."""
        if started.is_alive():
            # Otherwise another one may serve there by now.
            clients.end(address, f"the manager at {address!r} was shut down by this process")
        try:
            control.send("stop")
        except OSError:
            # It has ended already.
            pass
        for end in (lambda: None, started.terminate, started.kill):
            if not started.is_alive():
                break
            end()
            started.join(timeout=shutdown_timeout)
        control.close()
        state.value = State.SHUTDOWN

    def join(self, timeout=None):
        """Waits until the manager's process has ended."""
        if self._process is not None:
            self._process.join(timeout)
            if not self._process.is_alive():
                self._process = None

    def __enter__(self):
        if self._state.value == State.INITIAL:
            self.start()
        if self._state.value == State.SHUTDOWN:
            raise ProcessError("Manager has shut down")
        return self

    def __exit__(self, exc_type, exc_val, exc_tb):
        self.shutdown()

    def _check_initial(self):
        if self._state.value == State.STARTED:
            raise ProcessError("Already started server")
        if self._state.value == State.SHUTDOWN:
            raise ProcessError("Manager has shut down")

    def _client(self):
        return clients.of(self._address, self._authkey)

    def _create(self, typeid, /, *args, **kwds):
        """Makes a new object; returns its token and the methods that its proxy has."""
        assert self._state.value == State.STARTED, "server not yet started"
        client = self._client()
        entry = self._registry.get(typeid, (None, None, None, AutoProxy))
        try:
            made, extra = self._make(client, typeid, entry[0], args, kwds)
        except errors.ConnectionLost as error:
            raise translated(error, client.gone) from None
        except _OF_MAKING as error:
            if is_own(error):
                raise
            raise remote() from None
        if entry[2]:
            extra |= {"typeids": entry[2]}
        exposed = entry[1] or registry.public_methods(made.kind)
        return token_of(typeid, self._address, made, extra), tuple(exposed)

    def _make(self, client, typeid, registered, args, kwds):
        native = registry.maker(registered)
        if native is None:
            what, answer = self._ask(client, "create", typeid, [args, kwds], self._late(typeid, registered))
            if what == "made":
                return answer._referent, {}
            native = registry.MAKERS[registry.TYPES[answer]]
        return native[0](client, *args, **kwds)

    def _late(self, typeid, registered):
        """The pickle of what was registered after the start; None if the manager's process knows it, or is another's."""
        if registered is None or self._told is None or self._told.get(typeid) is registered:
            return None
        try:
            return bytes(ForkingPickler.dumps(registered))
        except Exception as error:
            raise NotHosted(
                f"{typeid!r} was registered after start(), and what is to be called cannot be sent to the manager's process "
                f"({error}): register it before, or define it in a module"
            ) from None

    def _ask(self, client, verb, *arguments):
        """Has the service in the manager's process do something."""
        request = bytes(pickled(ForkingPickler.dumps, (verb, *arguments)))
        requests = client._make("queue", REQUESTS, {"exists": True})
        until = time.monotonic() + _SERVICE_FOR
        while True:
            reply = registry.referent(client, "queue")
            try:
                requests.put((request, reply))
                what, answer = reply.get()
                break
            except (errors.NotFound, errors.ObjectGone):
                if time.monotonic() > until:
                    raise NotHosted(
                        f"nothing can be called at {self._address!r}: the server there is in no manager's process"
                    ) from None
                time.sleep(0.05)
        if what == "error":
            raise RemoteError(answer)
        return what, answer

    def __getattr__(self, name):
        """What is registered in the manager's process need not be registered here."""
        state = self.__dict__.get("_state")
        own = name.startswith("_") or name == "shutdown" or name in self._registry
        if own or state is None or state.value != State.STARTED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        try:
            known = name in self._ask(self._client(), "typeids")[1]
        except (errors.Refused, NotHosted):
            known = False
        if not known:
            raise AttributeError(f"nothing is registered as {name!r}, neither here nor in the manager's process")
        return lambda *args, **kwds: self._proxy(name, args, kwds)

    def _proxy(self, typeid, args, kwds):
        token, exposed = self._create(typeid, *args, **kwds)
        known = self._registry.get(typeid)
        make = known[3] if known is not None else AutoProxy
        return make(token, self._serializer, manager=self, authkey=self._authkey, exposed=exposed)

    def _number_of_objects(self):
        """How many objects processes hold."""
        client = self._client()
        try:
            return self._ask(client, "count")[1]
        except errors.Error as error:
            raise translated(error, client.gone) from None

    def _debug_info(self):
        """The server's numbers, as text."""
        client = self._client()
        try:
            return "\n".join(f"  {name}: {value}" for name, value in client.status().items())
        except errors.Error as error:
            raise translated(error, client.gone) from None

    @classmethod
    def register(
        cls, typeid, callable=None, proxytype=None, exposed=None, method_to_typeid=None, create_method=True
    ):
        """Registers a type, for this class of managers and those that derive from it later.

        callable: what makes an object; a type that the server itself has, or a function that is called in the manager's
        process and returns a dict or a list. One that is registered after the start has to be found there: in a module.
        method_to_typeid: methods that return a dict, a list or an iterator, and what proxies of that are registered as.
        """
        if "_registry" not in cls.__dict__:
            cls._registry = cls._registry.copy()
        proxytype = proxytype or AutoProxy
        exposed = exposed or getattr(proxytype, "_exposed_", None)
        method_to_typeid = method_to_typeid or getattr(proxytype, "_method_to_typeid_", None)
        for key, value in (method_to_typeid or {}).items():
            assert type(key) is str, f"{key!r} is not a string"
            assert type(value) is str, f"{value!r} is not a string"
        cls._registry[typeid] = callable, exposed, method_to_typeid, proxytype
        if not create_method:
            return

        def create(self, /, *args, **kwds):
            return self._proxy(typeid, args, kwds)

        create.__name__ = typeid
        setattr(cls, typeid, create)


def _listens_at(address):
    """Where a server listens: at this address, or at a socket in a folder of its own."""
    if address is None:
        return connection.arbitrary_address("AF_UNIX")
    if not isinstance(address, (str, tuple)):
        raise ValueError(f"address type of {address!r} unrecognized")
    if isinstance(address, str) and not os.path.isdir(os.path.dirname(os.path.abspath(address))):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), address)
    return address


class ForegroundServer:
    """A server that serves in the process that asks for it: see `BaseManager.get_server`."""

    def __init__(self, manager):
        address = _listens_at(manager._address)
        #: Keeps the address from others until it serves.
        self.listener = connection.Listener(address) if isinstance(address, tuple) else None
        self.address = self.listener.address if self.listener is not None else address
        self._manager = manager

    def serve_forever(self):
        """Serves until the process is interrupted, and ends the process."""
        manager = self._manager
        if self.listener is not None:
            self.listener.close()
        serve_here(manager._callables(), self.address, manager._authkey, manager._data())
        sys.exit(0)


class SyncManager(BaseManager):
    """A manager of everything that the server itself can share."""


_NATIVE = (
    ("Queue", AutoProxy, "queue"),
    ("JoinableQueue", AutoProxy, "queue"),
    ("Event", EventProxy, "event"),
    ("Lock", AcquirerProxy, "lock"),
    ("RLock", AcquirerProxy, "rlock"),
    ("Semaphore", AcquirerProxy, "semaphore"),
    ("BoundedSemaphore", AcquirerProxy, "bounded_semaphore"),
    ("Condition", ConditionProxy, "condition"),
    ("Barrier", BarrierProxy, "barrier"),
    ("list", ListProxy, "list"),
    ("dict", DictProxy, "dict"),
    ("Value", ValueProxy, "value"),
    ("Array", ArrayProxy, "array"),
    ("Namespace", NamespaceProxy, "namespace"),
)
for _typeid, _proxytype, _kind in _NATIVE:
    SyncManager.register(_typeid, registry.TYPES[_kind], _proxytype)
# It would have to run Python code, and is refused with a sentence.
SyncManager.register("Pool", pool.Pool)
SyncManager.register("Iterator", proxytype=IteratorProxy, create_method=False)


def Manager():
    """A manager that has started."""
    return started(get_context())


def started(context):
    """A manager that has started, whose process is of this context."""
    manager = SyncManager(ctx=context)
    manager.start()
    return manager


def __getattr__(name):
    """What this package does not have of its own is multiprocessing's."""
    return getattr(managers, name)
