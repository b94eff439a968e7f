"""Containers inside a shared dict: what is read is a real dict or list, and its mutators write through.

`d["a"]` gives a snapshot that remembers where it was read. It is a dict or a list in every respect; what changes it changes
the shared value first, at that place, and then the snapshot. Code in C that edits a list behind its methods, such as heapq,
edits only the snapshot.
"""

import copy
import itertools

from commonhold import tracked
from commonhold.errors import Conflict, Missing

# How often a change is tried again when others change the value between reading and writing.
_TRIES = 1000


def snapshot(owner, key, path, value):
    """The value as one that writes through; `path` leads to it from the value of the key."""
    kind = type(value)
    if kind is dict:
        shared = SharedDict(value)
    elif kind is list:
        shared = SharedList(value)
    else:
        return value
    shared._place = Place(owner, key, path)
    shared._places = tracked.Places()
    return shared


def is_of(value, owner, key, path):
    """Is it a snapshot of this very place, whose in-place operator has written through just now?"""
    if type(value) not in (SharedDict, SharedList) or not value._wrote:
        return False
    place = value._place
    value._wrote = False
    return place._owner is owner and place._key == key and place._path == path


class Place:
    """A place inside a value of a shared dict. Making one makes no call."""

    __slots__ = ("_key", "_owner", "_path")

    def __init__(self, owner, key, path):
        self._owner = owner
        self._key = key
        self._path = tuple(path)

    def at(self, *path):
        """A place further inside."""
        return Place(self._owner, self._key, (*self._path, *path))

    def get(self, default=None):
        """The value, or the default."""
        if not self._path:
            return self._owner._call("get", self._key, default)
        return self._owner._call("get", self._key, default, path=list(self._path))

    def set(self, value):
        """Sets the value; what leads to it must be there."""
        self._make("set", value)

    def delete(self):
        """Deletes it."""
        self._make("delete")

    def increment(self, by=1, *, default=0, min=None, max=None, clamp=False):
        """Adds to the number and returns the new one, in one step."""
        return self._make("increment", by, default, min, max, clamp)

    def pop(self, *default):
        """Deletes it and returns the value, or the default."""
        return self._make("pop", *default)

    def contains(self):
        """Tells whether it is there."""
        if not self._path:
            return self._owner._call("contains", self._key)
        return self._owner._call("contains", self._key, path=list(self._path))

    def change(self, act):
        """Has `act` change the value in this process, and stores the whole if nobody else changed it meanwhile, else again.

        Returns what `act` returned. It is called once a try, with a copy that it may change in place.
        """
        return self._change(act)[0]

    def _change(self, act):
        """As `change`; also returns the value as it is stored now."""
        self._owner._places.written(self._key)
        for _ in range(_TRIES):
            try:
                whole = self._owner._call("get", self._key)
            except Missing:
                raise KeyError(self._key) from None
            changed = copy.deepcopy(whole)
            value = changed
            for step in self._path:
                value = value[step]
            result = act(value)
            if self._owner._call("compare_and_set", self._key, whole, changed):
                return result, value
        raise Conflict(f"others changed the value of {self._key!r} each of {_TRIES} times")

    def append(self, value):
        """Adds a value at the end of the list."""
        self.change(lambda items: items.append(value))

    def extend(self, values):
        """Adds values at the end of the list."""
        values = list(values)
        self.change(lambda items: items.extend(values))

    def update(self, *others, **named):
        """Sets many keys of the dict at once."""
        pairs = dict(*others, **named)
        self.change(lambda items: items.update(pairs))

    def _make(self, method, *arguments):
        self._owner._places.written(self._key)
        try:
            if not self._path:
                return self._owner._call(method, self._key, *arguments)
            return self._owner._call(method, self._key, *arguments, path=list(self._path))
        except Missing as missing:
            where = self._path[-1] if self._path else self._key
            if isinstance(where, int) and "index" in str(missing):
                raise IndexError(str(missing)) from None
            raise KeyError(where) from None

    def __repr__(self):
        steps = "".join(f"[{step!r}]" for step in (self._key, *self._path))
        return f"<place {steps} of {self._owner!r}>"


def _plain(value):
    """The value without its memory, and without being shared with a snapshot."""
    if isinstance(value, _Snapshot):
        return copy.deepcopy(value)
    return tracked.plain(value)


class _Snapshot:
    """What both kinds of snapshot have in common."""

    # It stands for what it derives from wherever it is sent.
    _commonhold_plain = True
    # The builtin.
    _kind = None
    # An in-place operator has written through; the store that follows has nothing to do.
    _wrote = False
    # What it was read from has been rearranged since: its path leads elsewhere.
    _astray = False

    def _there(self):
        if self._astray:
            raise Conflict("what this was read from has been rearranged since: read it again")
        return self._place

    def __getitem__(self, key):
        value = self._kind.__getitem__(self, key)
        if isinstance(key, slice):
            return value
        if type(value) in KINDS:
            place = self._there().at(key)
            inner = snapshot(place._owner, place._key, place._path, value)
            # What is changed inside is seen from outside.
            self._kind.__setitem__(self, key, inner)
            return inner
        return self._places.track(key, value)

    def __setitem__(self, key, value):
        if isinstance(key, slice):
            values = [_plain(item) for item in value]
            self._rearrange(lambda items: items.__setitem__(key, values))
            return
        place = self._there().at(key)
        if is_of(value, place._owner, place._key, place._path):
            return
        operations = self._places.operations(key, value)
        self._places.written(key)
        value = _plain(value)
        step = tracked.by(operations) if operations else None
        if step is not None:
            value = place.increment(step, default=None)
        elif operations:
            value = self._place.change(lambda items: _redo(items, key, operations))
        else:
            place.set(value)
        self._forget(key)
        self._kind.__setitem__(self, key, value)

    def __delitem__(self, key):
        if isinstance(key, slice) or self._kind is list:
            self._rearrange(lambda items: items.__delitem__(key))
            return
        self._there().at(key).delete()
        self._places.written(key)
        self._forget(key)
        self._kind.__delitem__(self, key)

    def _forget(self, key):
        """What was read inside is there no more."""
        inner = self.get(key) if self._kind is dict else self._kind.__getitem__(self, key)
        if isinstance(inner, _Snapshot):
            inner._astray = True

    def _rearrange(self, act):
        """Changes the shared value as a whole; the snapshot is what is stored then."""
        result, value = self._there()._change(act)
        self._places.written_all()
        for inner in list(self.values() if self._kind is dict else self):
            if isinstance(inner, _Snapshot):
                inner._astray = True
        self._become(value)
        return result

    def copy(self):
        """A plain one, as the snapshot is now."""
        return self._kind(self)

    __copy__ = copy

    def __deepcopy__(self, memo):
        return copy.deepcopy(self._kind(self), memo)

    def __reduce_ex__(self, _protocol):
        return self._kind, (self._kind(self),)


class SharedDict(_Snapshot, dict):
    """A dict that was read from a shared one, and writes through."""

    _kind = dict

    def get(self, key, default=None):
        return self[key] if key in self else default

    def _become(self, value):
        dict.clear(self)
        dict.update(self, value)


class SharedList(_Snapshot, list):
    """A list that was read from a shared dict, and writes through."""

    _kind = list

    def __iter__(self):
        for index in itertools.count():
            try:
                yield self[index]
            except IndexError:
                return

    def _become(self, value):
        list.__setitem__(self, slice(None), value)


def _redo(items, key, operations):
    items[key] = tracked.apply(items[key], operations)
    return items[key]


def _through(name):
    """A mutator that runs on the shared value; the snapshot is what is stored then."""

    def method(self, *arguments, **named):
        arguments = [_plain(argument) for argument in arguments]
        result = self._rearrange(lambda value: getattr(value, name)(*arguments, **named))
        if name.startswith("__i"):
            self._wrote = True
            return self
        return result

    method.__name__ = method.__qualname__ = name
    return method


for _name in "append extend insert pop remove reverse sort clear __iadd__ __imul__".split():
    setattr(SharedList, _name, _through(_name))
for _name in "clear pop popitem setdefault update __ior__".split():
    setattr(SharedDict, _name, _through(_name))

# What is read as a snapshot that writes through.
KINDS = frozenset({dict, list})
