"""Containers inside a shared dict: what is read is a real dict or list, and its mutators write through.

`d["a"]` gives a snapshot that remembers where it was read. It is a dict or a list in every respect; what changes it changes
the shared value first, at that place, and then the snapshot. Code in C that edits a list behind its methods, such as heapq,
edits only the snapshot.
"""

import ast
import operator
import reprlib

from commonhold import tracked
from commonhold.errors import Conflict, Missing, TooLarge

# How often a change is tried again when others change the value between reading and writing.
_TRIES = 1000


def snapshot(owner, key, path, value, outer=None):
    """The value as one that writes through; `path` leads to it from the value of the key."""
    kind = type(value)
    if kind is dict:
        shared = SharedDict(value)
    elif kind is list:
        shared = SharedList(value)
    else:
        return value
    shared._place = Place(owner, key, path)
    shared._places = owner._places.inside(key, path)
    shared._outer = outer
    if outer is None:
        owner._places.snapshots[id(shared)] = shared
    return shared


def _roots(places):
    # A list at one time: other threads read meanwhile.
    found = (reference() for reference in places.snapshots.valuerefs()) if places.snapshots else ()
    return [root for root in found if root is not None]


def replaced(places, key):
    """The value of a key is another one: snapshots of the old one lead nowhere."""
    for root in _roots(places):
        if root._place._key == key:
            root._astray = True


def replaced_all(places):
    """As `replaced`, of every key."""
    for root in _roots(places):
        root._astray = True


def is_of(value, owner, key, path):
    """Is it a snapshot of this very place, whose in-place operator has written through just now?"""
    if not isinstance(value, _Snapshot) or value._wrote is None:
        return False
    place, wrote = value._place, value._wrote
    value._wrote = None
    there = place._owner is owner and place._key == key and place._path == path
    # What code in C changed since must be stored, and what was replaced since is not there any more.
    return there and not value._is_astray() and value == wrote


def lacking(missing, steps):
    """What Python raises where one of the steps leads nowhere, as the server says."""
    said = str(missing).rpartition(" in ")[0]
    if said.startswith("no index"):
        return IndexError("list index out of range")
    try:
        return KeyError(ast.literal_eval(said.removeprefix("no key ")))
    except (SyntaxError, ValueError):
        # What is no literal, or is cut because it is long.
        return KeyError(steps[-1])


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
        try:
            return self._ask("get")
        except Missing:
            return default

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
        try:
            return self._make("pop")
        except LookupError:
            if not default:
                raise
            return default[0]

    def contains(self):
        """Tells whether it is there."""
        return self._ask("contains")

    def change(self, act):
        """Has `act` change the value in this process, and stores the whole if nobody else changed it meanwhile, else again.

        Returns what `act` returned. It is called once a try, with a copy that it may change in place.
        """
        return self._change(act)[0]

    def _change(self, act):
        """As `change`; also returns the value as it is stored now."""
        self._owner._places.written_at(self._key, self._path)
        try:
            return self._exchange(self._path, (), act)
        except TooLarge:
            if not self._path:
                raise
            # What is too large to be edited in place is sent whole.
            return self._exchange((), self._path, act)

    def _exchange(self, path, rest, act):
        """Stores what is at `path` after `act` has changed what the rest leads to from there."""
        there = Place(self._owner, self._key, path)
        for _ in range(_TRIES):
            # What is there is told by what came, not by what a codec would make of what it made of that.
            came, outer = there._find("get", ask=self._owner._read)
            value = outer
            for step in rest:
                value = value[step]
            result = act(value)
            if there._ask("compare_and_set", came, outer):
                return result, value
        raise Conflict(f"others changed {there!r} each of {_TRIES} times")

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

    def _ask(self, method, *arguments, ask=None):
        ask = ask or self._owner._call
        if not self._path:
            return ask(method, self._key, *arguments)
        return ask(method, self._key, *arguments, path=list(self._path))

    def _find(self, method, *arguments, ask=None):
        """As `_ask`; what is not there is missing as it is to a dict or list."""
        try:
            return self._ask(method, *arguments, ask=ask)
        except Missing as missing:
            raise lacking(missing, (self._key, *self._path)) from None

    def _make(self, method, *arguments):
        self._owner._places.written_at(self._key, self._path)
        if not self._path and method != "increment":
            replaced(self._owner._places, self._key)
        return self._find(method, *arguments)

    def __repr__(self):
        steps = "".join(f"[{step!r}]" for step in (self._key, *self._path))
        return f"<place {steps} of {self._owner!r}>"


def plain(value):
    """The value without its memory, and without containers that it shares with others."""
    try:
        return _plain(value)
    except RecursionError:
        raise ValueError("a value may be nested 32 deep, and this is deeper") from None


def _plain(value):
    if isinstance(value, dict) and type(value) in (dict, SharedDict):
        return {key: _plain(item) for key, item in dict.items(value)}
    if isinstance(value, list) and type(value) in (list, SharedList):
        return [_plain(item) for item in list.__iter__(value)]
    if type(value) is tuple:
        return tuple(_plain(item) for item in value)
    return tracked.plain(value)


class _Snapshot:
    """What both kinds of snapshot have in common."""

    # It stands for what it derives from wherever it is sent.
    _commonhold_plain = True
    # The builtin.
    _kind = None
    # The snapshot that this one was read from; None if that was the shared dict.
    _outer = None
    # What an in-place operator has written through: the store that follows has nothing to do.
    _wrote = None
    # What it was read from has been rearranged since: its path leads elsewhere.
    _astray = False

    def _is_astray(self):
        return self._astray or (self._outer is not None and self._outer._is_astray())

    def _there(self):
        if self._is_astray():
            raise Conflict(f"{reprlib.repr(self)} is not where it was read any more: read it again")
        return self._place

    def _inner(self, key, value):
        """What is read at a key or index. A container is kept as a snapshot: what is changed inside is seen from outside."""
        if type(value) not in KINDS:
            return value
        place = self._place.at(key)
        inner = snapshot(place._owner, place._key, place._path, value, self)
        self._kind.__setitem__(self, key, inner)
        return inner

    def __getitem__(self, key):
        if isinstance(key, slice):
            self._open()
            return self._kind.__getitem__(self, key)
        key = self._normal(key)
        value = self._inner(key, self._kind.__getitem__(self, key))
        return self._places.track(key, value)

    def __setitem__(self, key, value):
        if isinstance(key, slice):
            values = [plain(item) for item in value]
            self._rearrange(lambda items: items.__setitem__(key, values))
            return
        key = self._normal(key)
        place = self._there().at(key)
        if is_of(value, place._owner, place._key, place._path):
            return
        operations = self._places.operations(key, value)
        value = plain(value)
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
        self._forget(key)
        self._kind.pop(self, key, None)

    def _rearrange(self, act):
        """Changes the shared value as a whole; the snapshot is what is stored then."""
        result, value = self._there()._change(act)
        self._forget_all()
        self._become(value)
        return result

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, _memo):
        return plain(self)

    def __reduce_ex__(self, _protocol):
        return self._kind, (self.copy(),)


def _forget(inner):
    """What was read there is there no more."""
    if isinstance(inner, _Snapshot):
        inner._astray = True


class SharedDict(_Snapshot, dict):
    """A dict that was read from a shared one, and writes through."""

    _kind = dict

    def __iter__(self):
        # What copies a dict that has this does so by its keys and items: what is inside writes through in the copy too.
        return dict.__iter__(self)

    def copy(self):
        """A plain one, as the snapshot is now."""
        return dict(self.items())

    def __or__(self, other):
        return self.copy() | other

    def __ror__(self, other):
        return other | self.copy()

    def get(self, key, default=None):
        return self[key] if key in self else default

    def setdefault(self, key, default=None):
        default = plain(default)
        self._rearrange(lambda value: value.setdefault(key, default))
        return self[key]

    def values(self):
        self._open()
        return dict.values(self)

    def items(self):
        self._open()
        return dict.items(self)

    def _normal(self, key):
        return key

    def _open(self):
        for key, value in list(dict.items(self)):
            self._inner(key, value)

    def _forget(self, key):
        _forget(dict.get(self, key))

    def _forget_all(self):
        for inner in dict.values(self):
            _forget(inner)

    def _become(self, value):
        dict.clear(self)
        dict.update(self, value)


class SharedList(_Snapshot, list):
    """A list that was read from a shared dict, and writes through."""

    _kind = list

    def copy(self):
        """A plain one, as the snapshot is now."""
        return list(self)

    def __add__(self, other):
        return self.copy() + other

    def __mul__(self, times):
        return self.copy() * times

    __rmul__ = __mul__

    def __reversed__(self):
        for index in reversed(range(len(self))):
            if index < len(self):
                yield self._inner(index, list.__getitem__(self, index))

    def __iter__(self):
        index = 0
        while index < len(self):
            yield self._inner(index, list.__getitem__(self, index))
            index += 1

    def _normal(self, index):
        """The index from the start: where the list ends may have changed since."""
        index = operator.index(index)
        return index + len(self) if index < 0 <= index + len(self) else index

    def _open(self):
        for index, value in enumerate(list.copy(self)):
            self._inner(index, value)

    def _forget(self, index):
        if -len(self) <= index < len(self):
            _forget(list.__getitem__(self, index))

    def _forget_all(self):
        for inner in list.__iter__(self):
            _forget(inner)

    def _become(self, value):
        list.__setitem__(self, slice(None), value)


def _redo(items, key, operations):
    items[key] = tracked.apply(items[key], operations)
    return items[key]


def _through(name, of_arguments=lambda *arguments: [plain(argument) for argument in arguments]):
    """A mutator that runs on the shared value; the snapshot is what is stored then.

    of_arguments: what its arguments are once, however often the mutator is tried.
    """

    def method(self, *arguments, **named):
        arguments = of_arguments(*arguments, **(named if takes_named else {}))
        result = self._rearrange(lambda value: getattr(value, name)(*arguments, **({} if takes_named else named)))
        if name.startswith("__i"):
            self._wrote = self._kind(self)
            return self
        return result

    takes_named = name == "update"
    method.__name__ = method.__qualname__ = name
    return method


def _values(values):
    return [[plain(value) for value in values]]


def _pairs(*others, **named):
    return [plain(dict(*others, **named))]


for _name in "append insert pop remove reverse sort clear __imul__".split():
    setattr(SharedList, _name, _through(_name))
for _name in "extend __iadd__".split():
    setattr(SharedList, _name, _through(_name, _values))
for _name in "clear pop popitem".split():
    setattr(SharedDict, _name, _through(_name))
for _name in "update __ior__".split():
    setattr(SharedDict, _name, _through(_name, _pairs))

# What is read as a snapshot that writes through.
KINDS = frozenset({dict, list})
