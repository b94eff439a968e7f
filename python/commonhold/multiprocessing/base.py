"""What all proxies have in common: how they find their object, hold it, call it and go from process to process."""

from multiprocessing import process, util
from multiprocessing.context import get_spawning_popen

from commonhold import errors
from commonhold.multiprocessing import clients, registry
from commonhold.multiprocessing.errors import remote, translated

#: What an object of a kind is called where nobody registered it under a name.
TYPEIDS = {
    "array": "Array",
    "barrier": "Barrier",
    "bounded_semaphore": "BoundedSemaphore",
    "condition": "Condition",
    "dict": "dict",
    "event": "Event",
    "iterator": "Iterator",
    "list": "list",
    "lock": "Lock",
    "namespace": "Namespace",
    "queue": "Queue",
    "rlock": "RLock",
    "semaphore": "Semaphore",
    "value": "Value",
}
_KINDS = {typeid: kind for kind, typeid in TYPEIDS.items()} | {"JoinableQueue": "queue"}
#: The class of proxies of each kind: the module of them fills it in.
CLASSES = {}
_ANY = frozenset({"__repr__", "__str__", "#GETVALUE"})


class Token:
    """Says which object a proxy is of: its type, the manager's address, its identity there."""

    __slots__ = ("_extra", "_held", "address", "id", "typeid")

    def __init__(self, typeid, address, id, extra=None, held=None):
        self.typeid = typeid
        self.address = address
        self.id = id
        # Its kind, its name if it has one, and what only its proxies know.
        self._extra = extra or {"kind": _KINDS.get(typeid)}
        # The referent that the first proxy takes over.
        self._held = held

    def __getstate__(self):
        return self.typeid, self.address, self.id, self._extra

    def __setstate__(self, state):
        self.typeid, self.address, self.id, self._extra = state
        self._held = None

    def __repr__(self):
        return f"{type(self).__name__}(typeid={self.typeid!r}, address={self.address!r}, id={self.id!r})"


def token_of(typeid, address, referent, extra):
    """The token of an object that this process has a referent of."""
    extra = {"kind": referent.kind, "name": referent.name} | extra
    if referent.kind == "iterator":
        number = f"{id(referent):x}"
    else:
        number = referent.name if referent.name is not None else f"{referent._oid:x}"
    return Token(typeid, address, number, extra, referent)


class BaseProxy:
    """A proxy of a shared object. Subclasses call its methods by `_callmethod`.

    The object lives as long as there are proxies of it, in any process, or other objects that it is stored in.
    """

    _exposed_ = ()

    def __init__(
        self, token, serializer, manager=None, authkey=None, exposed=None, incref=True, manager_owned=False
    ):
        self._token = token
        self._id = token.id
        self._manager = manager
        self._serializer = serializer
        self._owned_by_manager = manager_owned
        if authkey is None:
            authkey = manager._authkey if manager is not None else clients.key_of(token.address)
        self._authkey = process.AuthenticationString(authkey)
        # What results of methods become proxies, and as what they are registered.
        self._typeids = token._extra.get("typeids") or getattr(type(self), "_method_to_typeid_", None) or {}
        self._methods = frozenset(exposed or type(self)._exposed_ or registry.public_methods(token._extra["kind"]))
        self._referent = None
        # The process that holds the object, as `clients` counts them.
        self._generation = None
        if token._held is not None:
            referent, token._held = token._held, None
            self._attach(referent)
            self._keep()
        elif incref:
            self._reach()
        else:
            try:
                self._reach()
            except Exception as error:
                # Its first call says so: the process that got it starts all the same.
                util.info("cannot hold a proxy that came along: %s", error)

    def _callmethod(self, methodname, args=(), kwds={}):
        """Calls a method of the object and returns a copy of its result."""
        if methodname not in self._methods and methodname not in _ANY:
            raise self._unknown(methodname)
        result = self._perform(methodname, args, kwds)
        return self._shared(self._typeids[methodname], result) if methodname in self._typeids else result

    def _shared(self, typeid, result):
        """A proxy of what a method returned."""
        if isinstance(result, BaseProxy):
            return result
        try:
            referent = registry.shared(self._referent.client, typeid, result)
        except registry.NotHosted:
            raise remote() from None
        make, exposed = CLASSES[referent.kind], None
        if self._manager is not None and typeid in self._manager._registry:
            _, exposed, _, make = self._manager._registry[typeid]
        token = token_of(typeid, self._token.address, referent, {})
        return make(token, self._serializer, manager=self._manager, authkey=self._authkey, exposed=exposed)

    def _perform(self, methodname, args=(), kwds={}):
        """Calls a method whether it is exposed or not."""
        if self._generation != clients.generation:
            self._renew()
        referent = self._referent
        try:
            return referent.perform(methodname, args, kwds)
        except errors.Error as error:
            gone = referent.client.gone if self._is_shared() else None
            raise translated(error, gone) from None

    def _getvalue(self):
        """A copy of the object."""
        return self._callmethod("#GETVALUE")

    def _attach(self, referent):
        """Takes a referent that this process holds."""
        referent.extra = self._token._extra
        referent.tracked = getattr(type(self), "_tracked", True)
        self._referent = referent
        self._generation = clients.generation

    def _keep(self):
        if self._is_shared():
            self._referent.client.keeps(self)

    def _is_shared(self):
        """Is it an object of the server, and not an iterator of this process?"""
        return hasattr(self._referent, "client")

    def _oid(self):
        """The number by which sessions hold the object; None if nothing has to be held."""
        extra = self._token._extra
        if extra.get("name") is not None or extra["kind"] in (None, "iterator"):
            return None
        return int(self._id, 16)

    def _reach(self):
        """Finds the object that the token tells of."""
        client = clients.of(self._token.address, self._authkey)
        extra = self._token._extra
        if extra.get("name") is not None:
            referent = registry.referent(client, extra["kind"], extra["name"])
        else:
            [referent] = client.hold([self._oid()])
        if referent is None:
            raise _gone(self._id)
        self._attach(referent)
        self._keep()

    def _renew(self):
        """This process holds what another one held."""
        if self._referent is None:
            self._reach()
        elif self._is_shared():
            clients.reattach(self._referent.client)
        self._generation = clients.generation

    def _unknown(self, name):
        kind = self._token._extra["kind"]
        try:
            raise AttributeError(f"method {name!r} of a shared {kind} is not exposed: {sorted(self._methods)}")
        except AttributeError:
            return remote()

    @property
    def _commonhold_object(self):
        """What is stored in other objects in place of the proxy; None to store a pickle of it, which comes back as it is."""
        return self._held() if self._is_standard() else None

    def _held(self):
        """The object of the server that this process holds by the proxy; None if it is none of the server's."""
        if self._generation != clients.generation:
            self._renew()
        return self._referent if self._is_shared() else None

    def _is_standard(self):
        """Is it what any process makes a proxy of such an object?"""
        extra = self._token._extra
        kind = extra["kind"]
        if self._token.typeid != TYPEIDS.get(kind) or extra.get("timeout") is not None:
            return False
        return "_isauto" in self.__dict__ or type(self) is CLASSES[kind]

    def _commonhold_mention(self, address):
        """What is noted beside a pickle for this very manager that holds the proxy, and how to build it again."""
        if self._token.address != address or self._held() is None:
            return None
        maker, kwds = self._maker()
        return self._referent, (_mentioned, maker, self._token, self._serializer, kwds)

    def _maker(self):
        """What makes proxies of this class, and what it is given to do so."""
        exposed = self.__dict__.get("_isauto")
        return (type(self), {}) if exposed is None else (AutoProxy, {"exposed": exposed})

    def __reduce__(self):
        oid = self._oid()
        if oid is not None and self._held() is not None:
            # Whoever unpickles it holds it then. Until then the server keeps it.
            self._referent.client.pin([oid])
        maker, kwds = self._maker()
        if get_spawning_popen() is not None:
            kwds["authkey"] = self._authkey
        return RebuildProxy, (maker, self._token, self._serializer, kwds)

    def __deepcopy__(self, memo):
        return self._getvalue()

    def __repr__(self):
        return f"<{type(self).__name__} object, typeid {self._token.typeid!r} at {id(self):#x}>"

    def __str__(self):
        try:
            return self._callmethod("__repr__")
        except Exception:
            return f"{repr(self)[:-1]}; '__str__()' failed>"


def _gone(number):
    try:
        raise KeyError(number)
    except KeyError:
        return remote()


def RebuildProxy(func, token, serializer, kwds):
    """Makes a proxy that was pickled."""
    if "authkey" in kwds:
        clients.remember_key(token.address, kwds["authkey"])
    # A process that is just being started must not fail because a manager has.
    incref = kwds.pop("incref", True) and not getattr(process.current_process(), "_inheriting", False)
    return func(token, serializer, incref=incref, **kwds)


def _mentioned(shown, func, token, serializer, kwds):
    """Makes a proxy that was mentioned in a pickle, of the one that the server sent beside it."""
    token._held = shown._referent
    return func(token, serializer, authkey=shown._authkey, **kwds)


def MakeProxyType(name, exposed, _cache={}):
    """A class of proxies with these methods."""
    exposed = tuple(exposed)
    if (name, exposed) not in _cache:
        methods = {method: _forwarding(method) for method in exposed}
        _cache[name, exposed] = type(name, (BaseProxy,), methods | {"_exposed_": exposed})
    return _cache[name, exposed]


def _forwarding(name):
    def method(self, /, *args, **kwds):
        return self._callmethod(name, args, kwds)

    method.__name__ = name
    return method


def AutoProxy(token, serializer, manager=None, authkey=None, exposed=None, incref=True, manager_owned=False):
    """A proxy with the public methods of its object, or the exposed ones.

    Dicts and lists have all that their own classes of proxies have, unless somebody chose: `d[key]` is no public method.
    """
    kind = token._extra["kind"]
    public = registry.public_methods(kind)
    exposed = public if exposed is None else tuple(exposed)
    name = f"AutoProxy[{token.typeid}]"
    if exposed == public and kind in ("dict", "list"):
        made = type(name, (CLASSES[kind],), {"__module__": __name__})
    else:
        made = MakeProxyType(name, exposed)
    proxy = made(token, serializer, manager=manager, authkey=authkey, incref=incref, manager_owned=manager_owned)
    # With these methods it is built again.
    proxy._isauto = exposed
    return proxy
