"""The types that are shared by the server itself: their kinds, their referents, and how one of them is made."""

import array
import operator
import queue
import threading

from commonhold.multiprocessing import referents, synchronizers
from commonhold.multiprocessing.referents import plain

# Elements that an array can be made of in one call.
_MADE_OF = 1_000_000

#: The class that stands for each kind.
REFERENTS = {
    "array": referents.Array,
    "barrier": synchronizers.Barrier,
    "bounded_semaphore": synchronizers.Semaphore,
    "condition": synchronizers.Condition,
    "dict": referents.Dict,
    "event": synchronizers.Event,
    "list": referents.List,
    "lock": synchronizers.Lock,
    "namespace": referents.Namespace,
    "queue": synchronizers.Queue,
    "rlock": synchronizers.RLock,
    "semaphore": synchronizers.Semaphore,
    "value": referents.Value,
}


class Namespace:
    """Attributes, as a program has them that asks a proxy for its value."""

    def __init__(self, /, **named):
        self.__dict__.update(named)

    def __repr__(self):
        shown = sorted(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({', '.join(shown)})"


class Value:
    """One value, as a program has it that asks a proxy for its value."""

    def __init__(self, typecode, value, lock=True):
        self._typecode = typecode
        self.value = value

    def get(self):
        return self.value

    def set(self, value):
        self.value = value

    def __repr__(self):
        return f"{type(self).__name__}({self._typecode!r}, {self.value!r})"


def Array(typecode, sequence, lock=True):
    """An array, as a program has it that asks a proxy for its value."""
    return array.array(typecode, sequence)


class NotHosted(NotImplementedError):
    """Only Python code in the manager's process could do this."""


def not_hosted(name, kind):
    """The error where a program wants something to be shared that the server has no kind for."""
    return NotHosted(
        f"{name} is a {kind.__module__}.{kind.__qualname__}: this version shares dicts and lists that a program builds in "
        "the manager's process, and types that the server has, but no other objects"
    )


def public_methods(kind):
    """The methods that a proxy has which nobody chose methods for."""
    return _PUBLIC[kind]


def referent(client, kind, name=None, *, like=None, **options):
    """What stands for an object: a new one if it has neither a name nor a likeness."""
    options = {key: value for key, value in options.items() if value is not None}
    exists = True if name is not None and like is None else None
    durability = client.durability if name is None and like is None else None
    return REFERENTS[kind](client, kind, name, like=like, options=options, exists=exists, durability=durability)


def _dict(client, /, *args, **kwds):
    pairs = dict(*map(plain, args), **kwds)
    made = referent(client, "dict")
    if pairs:
        made.update(pairs)
    return made, {}


def _list(client, values=(), /):
    values = list(plain(values))
    made = referent(client, "list")
    if values:
        made.extend(values)
    return made, {}


def _queue(client, maxsize=0):
    return referent(client, "queue", maxsize=maxsize if maxsize > 0 else None), {}


def _lock(client):
    return referent(client, "lock", owned=False, **synchronizers.KEPT), {}


def _rlock(client):
    return referent(client, "rlock", **synchronizers.KEPT), {}


def _semaphore(kind):
    def make(client, value=1):
        value = operator.index(value)
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        # Of permits nobody is the owner: those of a process that ends are not given back, as with multiprocessing.
        return referent(client, kind, permits=value, owned=False), {}

    return make


def _condition(client, lock=None):
    return referent(client, "condition", lock=lock, **({} if lock is not None else synchronizers.KEPT)), {}


def _event(client):
    return referent(client, "event"), {}


def _barrier(client, parties, action=None, timeout=None):
    if action is not None:
        raise NotHosted("a Barrier with an action would have to run Python code in the manager's process, which this "
                        "version does not do: let the caller run it for whom wait() returns 0")
    if parties < 1:
        raise ValueError("parties must be > 0")
    return referent(client, "barrier", parties=parties), {"timeout": timeout}


def _value(client, typecode, value, lock=True):
    return referent(client, "value", initial=value), {"typecode": typecode}


def _array(client, typecode, sequence, lock=True):
    # In Python's words, if it is none.
    values = array.array(typecode, plain(sequence))
    if len(values) <= _MADE_OF:
        return referent(client, "array", typecode=values.typecode, values=values.tolist()), {}
    made = referent(client, "array", typecode=values.typecode, size=len(values))
    made[:] = values
    return made, {}


def _namespace(client, /, **named):
    made = referent(client, "namespace")
    for name, value in named.items():
        made._call("set", name, value)
    return made, {}


#: What a manager is asked to make, by what a program registers for it: how it is made, and its kind.
MAKERS = {
    dict: (_dict, "dict"),
    list: (_list, "list"),
    queue.Queue: (_queue, "queue"),
    threading.Lock: (_lock, "lock"),
    threading.RLock: (_rlock, "rlock"),
    threading.Semaphore: (_semaphore("semaphore"), "semaphore"),
    threading.BoundedSemaphore: (_semaphore("bounded_semaphore"), "bounded_semaphore"),
    threading.Condition: (_condition, "condition"),
    threading.Event: (_event, "event"),
    threading.Barrier: (_barrier, "barrier"),
    Namespace: (_namespace, "namespace"),
    Value: (_value, "value"),
    Array: (_array, "array"),
}

#: What is registered for each kind.
TYPES = {kind: python for python, (_, kind) in MAKERS.items()}


def shared(client, typeid, found):
    """What stands for a plain object that a method returned, as an object of its own."""
    if hasattr(found, "__next__"):
        return found if hasattr(found, "perform") else referents.Iterator(found)
    if type(found) not in (dict, list):
        raise not_hosted(typeid, type(found))
    return MAKERS[type(found)][0](client, found)[0]


def maker(callable):
    """How what a program registered is made by the server itself; None if it is the program's own."""
    try:
        return MAKERS.get(callable)
    except TypeError:
        # It cannot be looked up, so it is no type of ours.
        return None


def _public(python):
    return tuple(name for name in dir(python) if not name.startswith("_") and callable(getattr(python, name)))


_PUBLIC = {
    "array": _public(array.array),
    "barrier": ("abort", "reset", "wait"),
    "bounded_semaphore": ("acquire", "release"),
    "condition": ("acquire", "locked", "notify", "notify_all", "release", "wait"),
    "dict": _public(dict),
    "event": ("clear", "is_set", "set", "wait"),
    "list": _public(list),
    "lock": ("acquire", "locked", "release"),
    "namespace": (),
    "queue": _public(queue.Queue),
    "rlock": ("acquire", "locked", "release"),
    "semaphore": ("acquire", "release"),
    "value": ("get", "set"),
}
