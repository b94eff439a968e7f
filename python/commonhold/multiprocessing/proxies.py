"""The classes of proxies that a manager's methods return."""

import collections.abc
import types

from commonhold.multiprocessing import clients, registry, synchronizers
from commonhold.multiprocessing.base import CLASSES, TYPEIDS, AutoProxy, BaseProxy, MakeProxyType, token_of


class IteratorProxy(BaseProxy):
    """An iterator."""

    _exposed_ = ("__next__", "send", "throw", "close")

    def __iter__(self):
        return self

    def __next__(self, *args):
        return self._callmethod("__next__", args)

    def send(self, *args):
        return self._callmethod("send", args)

    def throw(self, *args):
        return self._callmethod("throw", args)

    def close(self, *args):
        return self._callmethod("close", args)

    def __reduce__(self):
        if self._is_shared():
            return super().__reduce__()
        raise TypeError("an iterator over a shared dict belongs to its process: send the dict, or a list of it")


class AcquirerProxy(BaseProxy):
    """A lock or a semaphore."""

    _exposed_ = ("acquire", "locked", "release")

    def acquire(self, blocking=True, timeout=None):
        return self._callmethod("acquire", (blocking,) if timeout is None else (blocking, timeout))

    def release(self):
        return self._callmethod("release")

    def locked(self):
        return self._callmethod("locked")

    def __enter__(self):
        return self._callmethod("acquire")

    def __exit__(self, exc_type, exc_val, exc_tb):
        return self._callmethod("release")


class ConditionProxy(AcquirerProxy):
    """A condition."""

    _exposed_ = ("acquire", "locked", "release", "wait", "notify", "notify_all")

    def wait(self, timeout=None):
        return self._callmethod("wait", (timeout,))

    def notify(self, n=1):
        return self._callmethod("notify", (n,))

    def notify_all(self):
        return self._callmethod("notify_all")

    wait_for = synchronizers.wait_for


class EventProxy(BaseProxy):
    """An event."""

    _exposed_ = ("is_set", "set", "clear", "wait")

    def is_set(self):
        return self._callmethod("is_set")

    def set(self):
        return self._callmethod("set")

    def clear(self):
        return self._callmethod("clear")

    def wait(self, timeout=None):
        return self._callmethod("wait", (timeout,))


class BarrierProxy(BaseProxy):
    """A barrier."""

    _exposed_ = ("__getattribute__", "wait", "abort", "reset")

    def wait(self, timeout=None):
        return self._callmethod("wait", (timeout,))

    def abort(self):
        return self._callmethod("abort")

    def reset(self):
        return self._callmethod("reset")

    @property
    def parties(self):
        return self._callmethod("__getattribute__", ("parties",))

    @property
    def n_waiting(self):
        return self._callmethod("__getattribute__", ("n_waiting",))

    @property
    def broken(self):
        return self._callmethod("__getattribute__", ("broken",))


class NamespaceProxy(BaseProxy):
    """Attributes; names that begin with an underscore stay in this process."""

    _exposed_ = ("__getattribute__", "__setattr__", "__delattr__")

    def __getattr__(self, key):
        if key[0] == "_":
            return object.__getattribute__(self, key)
        return object.__getattribute__(self, "_callmethod")("__getattribute__", (key,))

    def __setattr__(self, key, value):
        if key[0] == "_":
            return object.__setattr__(self, key, value)
        return object.__getattribute__(self, "_callmethod")("__setattr__", (key, value))

    def __delattr__(self, key):
        if key[0] == "_":
            return object.__delattr__(self, key)
        return object.__getattribute__(self, "_callmethod")("__delattr__", (key,))


class _Tracked(BaseProxy):
    """A proxy whose `+=` is one step, unless its class says `tracked = False`."""

    tracked = True

    def _perform(self, methodname, args=(), kwds={}):
        if self._referent is not None:
            self._referent.tracked = self.tracked
        return BaseProxy._perform(self, methodname, args, kwds)


class ValueProxy(_Tracked):
    """One value."""

    _exposed_ = ("get", "set")

    def get(self):
        return self._callmethod("get")

    def set(self, value):
        return self._callmethod("set", (value,))

    @property
    def value(self):
        return self._perform("read")

    @value.setter
    def value(self, new):
        self.set(new)

    __class_getitem__ = classmethod(types.GenericAlias)


_LIST = (
    "__add__", "__contains__", "__delitem__", "__getitem__", "__len__", "__mul__", "__reversed__", "__rmul__",
    "__setitem__", "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort",
    "__imul__",
)  # fmt: skip
_DICT = (
    "__contains__", "__delitem__", "__getitem__", "__ior__", "__iter__", "__len__", "__or__", "__reversed__", "__ror__",
    "__setitem__", "clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values",
)  # fmt: skip

BaseListProxy = MakeProxyType("BaseListProxy", _LIST)
BaseDictProxy = MakeProxyType("BaseDictProxy", _DICT)


class ListProxy(_Tracked, BaseListProxy):
    """A list. `l[index] += 1` is one step."""

    def __iadd__(self, value):
        self._callmethod("extend", (value,))
        return self

    def __imul__(self, value):
        self._callmethod("__imul__", (value,))
        return self

    __class_getitem__ = classmethod(types.GenericAlias)


class DictProxy(_Tracked, BaseDictProxy):
    """A dict. `d[key] += 1` is one step."""

    _method_to_typeid_ = {"__iter__": "Iterator"}

    def __iter__(self):
        return self._callmethod("__iter__")

    def __ior__(self, value):
        self._callmethod("__ior__", (value,))
        return self

    __class_getitem__ = classmethod(types.GenericAlias)


collections.abc.MutableSequence.register(BaseListProxy)
collections.abc.MutableMapping.register(BaseDictProxy)


class ArrayProxy(_Tracked, MakeProxyType("BaseArrayProxy", ("__len__", "__getitem__", "__setitem__"))):
    """An array. `a[index] += 1` is one step."""


CLASSES |= {
    "array": ArrayProxy,
    "barrier": BarrierProxy,
    "bounded_semaphore": AcquirerProxy,
    "condition": ConditionProxy,
    "dict": DictProxy,
    "event": EventProxy,
    "iterator": IteratorProxy,
    "list": ListProxy,
    "lock": AcquirerProxy,
    "namespace": NamespaceProxy,
    "queue": AutoProxy,
    "rlock": AcquirerProxy,
    "semaphore": AcquirerProxy,
    "value": ValueProxy,
}


def of_reference(client, found):
    """The proxy of an object that a value refers to."""
    if found.kind not in CLASSES:
        # A native client made it.
        return super(clients.Client, client)._shown(found)
    referent = registry.referent(client, found.kind, found.name, like=found)
    token = token_of(TYPEIDS[found.kind], client.address, referent, {})
    return CLASSES[found.kind](token, "pickle", authkey=client.authkey)
