"""Numbers that remember where they were read, so that `d[k] += 1` is one atomic step.

Python runs `d[k] += 1` as a read, an addition and a store. The read gives a number of a subclass that remembers the place;
its in-place operators note what was done; and the store, if it stores that very number where it was read, sends what was
done instead of the result. Every other store is a plain one, exactly as with a dict. See `store`.
"""

import numbers
import operator
import os
import sys
import threading
import weakref

from commonhold.errors import Conflict

# How often a store is tried again when others change the value between reading and writing.
TRIES = 1000

_generation = 0


def _forked():
    global _generation
    _generation += 1


# What was read before a fork is stored plainly after it: the reader is another process.
os.register_at_fork(after_in_child=_forked)


class _Thread(threading.local):
    """What tells a thread from every other, also from one that ended and whose number is used again."""

    def __init__(self):
        self.token = object()


_thread = _Thread()


def _context():
    """Who runs: the thread and, in asyncio, its task."""
    task = None
    # Without asyncio nothing runs in a task, and importing it here would slow down every program's start.
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        loop = asyncio._get_running_loop()
        if loop is not None:
            task = asyncio.current_task(loop)
            # A number that is kept must not keep what a task returned.
            task = task and weakref.ref(task)
    return _generation, _thread.token, task


class _Place:
    """What one reader knows of one place. It lives as long as a number that was read there."""

    __slots__ = ("__weakref__", "_table", "reader", "writes")

    def __init__(self, reader, table):
        self.reader = reader
        # It finds the place, as long as a number was read there that is still around.
        self._table = table
        # How often the reader wrote there itself.
        self.writes = 0


class _Read:
    """One read of a number."""

    __slots__ = ("at", "place", "writes")

    def __init__(self, at, place):
        self.at = at
        self.place = place
        self.writes = place.writes


class Places:
    """The places of one object that numbers were read at and that are still around."""

    # What is read remembers where.
    follows = True

    def __init__(self):
        self._places = weakref.WeakValueDictionary()
        #: The snapshots that were read of values, by their identity: see `nested`.
        self.snapshots = weakref.WeakValueDictionary()

        # Tables of the places inside of values, by the key of the value.
        self._inside = weakref.WeakValueDictionary()

    def track(self, key, value):
        """The number as one that remembers; anything else as it is. `key` is hashable."""
        return _track(self._places, key, value)

    def operations(self, key, value):
        """What to do instead of storing the value, as pairs of operator and operand; None to store it."""
        return _operations(self._places, key, value)

    def inside(self, key, path):
        """The places inside of the value at the path of a key, by their steps from there."""
        table = self._inside.get(key)
        if table is None:
            table = self._inside.setdefault(key, weakref.WeakValueDictionary())
        return _Inside(table, path)

    def written(self, key):
        """The reader wrote there: what it read before is stored plainly."""
        self.written_at(key, ())

    def written_at(self, key, path):
        """The reader wrote at a path of the value: what it read there, around it and inside of it is stored plainly."""
        place = self._places.get((_context(), key)) if self._places else None
        if place is not None:
            place.writes += 1
        table = self._inside.get(key) if self._inside else None
        if not table:
            return
        context = _context()
        # A list at one time: other threads read meanwhile.
        for (reader, read), place in list(table.items()):
            shorter = min(len(read), len(path))
            if reader == context and read[:shorter] == path[:shorter]:
                place.writes += 1

    def written_all(self):
        """The reader wrote anywhere, perhaps everywhere."""
        if not self._places and not self._inside:
            return
        context = _context()
        for table in (self._places, *self._inside.values()):
            # A list at one time: other threads read meanwhile.
            for reference in table.valuerefs():
                place = reference()
                if place is not None and place.reader == context:
                    place.writes += 1


class _Inside:
    """The places inside of a value that was read."""

    __slots__ = ("_path", "_table")

    def __init__(self, table, path):
        self._table = table
        self._path = path

    def track(self, step, value):
        """As of `Places`."""
        return _track(self._table, (*self._path, step), value)

    def operations(self, step, value):
        """As of `Places`."""
        return _operations(self._table, (*self._path, step), value)


def _track(table, key, value):
    kind = type(value)
    if kind is int:
        subclass = TrackedInt
    elif kind is float:
        subclass = TrackedFloat
    else:
        return value
    at = (_context(), key)
    place = table.get(at)
    if place is None:
        place = table[at] = _Place(at[0], table)
    number = subclass(value)
    number._read = _Read(at, place)
    number._done = ()
    return number


def _operations(table, key, value):
    kind = type(value)
    if kind is not TrackedInt and kind is not TrackedFloat:
        return None
    read, done = value._read, value._done
    if not done or read.writes != read.place.writes:
        return None
    at = (_context(), key)
    # The very place: another object's has another `_Place`.
    if read.at != at or table.get(at) is not read.place:
        return None
    return done


class Untracked:
    """Places of an object whose reads are plain here; what is written is noted for its other proxies."""

    def __init__(self, places):
        self.snapshots = places.snapshots
        self.written = places.written
        self.written_at = places.written_at
        self.written_all = places.written_all

    follows = False

    def track(self, _key, value):
        """The value."""
        return value

    def operations(self, _key, _value):
        """None: everything is stored."""


_of_objects = weakref.WeakValueDictionary()


def places_of(proxy):
    """The places of a proxy's object: all proxies of one object share them."""
    name = object.__getattribute__(proxy, "name")
    which = object.__getattribute__(proxy, "_oid") if name is None else name
    where = object.__getattribute__(proxy, "client").url, which
    places = _of_objects.get(where)
    return _of_objects.setdefault(where, Places()) if places is None else places


def plain_proxy(proxy):
    """Another proxy of the same object, whose reads are plain."""
    same = type(proxy)(proxy.client, proxy.kind, proxy.name, like=proxy)
    same._places = Untracked(same._places)
    return same


def deleted(url, name):
    """The reader deleted the object of this name."""
    places = _of_objects.get((url, name))
    if places is not None:
        places.written_all()


def redo(operations, get, compare_and_set):
    """Does to the number that is stored what was done to one that was read, again as long as others change it meanwhile."""
    for _ in range(TRIES):
        value = get()
        if compare_and_set(value, apply(value, operations)):
            return
    raise Conflict(f"others changed the value each of {TRIES} times")


def plain(value):
    """The value without its memory."""
    kind = type(value)
    if kind is TrackedInt:
        return int(value)
    if kind is TrackedFloat:
        return float(value)
    return value


def apply(value, operations):
    """Does to a number what was done to another. Anything but a number is refused as Python refuses it."""
    for operation, operand in operations:
        value = operation(value, operand)
    return value


# So many operations are remembered; a number that more was done to is a plain one.
_OPERATIONS_MAX = 100


def _with(done, operation, operand, exact):
    """What was done, and one operation more; None if that is too much to remember."""
    if done and exact and type(operand) is int:
        last, before = done[-1]
        # Sums of ints are one increment, however many they are: `total += n` in a loop.
        if last in _SIGNS and operation in _SIGNS and type(before) is int:
            return (*done[:-1], (last, before + _SIGNS[last] * _SIGNS[operation] * operand))
    return (*done, (operation, operand)) if len(done) < _OPERATIONS_MAX else None


_SIGNS = {operator.add: 1, operator.sub: -1}


def _noting(operation, number):
    """The in-place operator: as the plain one, but its result remembers."""

    def method(self, operand):
        operand = plain(operand)
        if isinstance(operand, numbers.Integral):
            operand = operator.index(operand)
        elif isinstance(operand, float):
            operand = float(operand)
        else:
            return operation(number(self), operand)
        result = operation(number(self), operand)
        kind = {int: TrackedInt, float: TrackedFloat}.get(type(result))
        done = _with(self._done, operation, operand, number is int)
        if kind is None or done is None:
            return result
        tracked = kind(result)
        tracked._read = self._read
        tracked._done = done
        return tracked

    return method


class TrackedInt(int):
    """An int that was read from a shared object. Every operator but the in-place ones gives a plain int."""

    # It stands for an int wherever it is sent.
    _commonhold_plain = True

    def __reduce__(self):
        return int, (int(self),)

    def __copy__(self):
        return int(self)

    def __deepcopy__(self, _memo):
        return int(self)


class TrackedFloat(float):
    """A float that was read from a shared object. Every operator but the in-place ones gives a plain float."""

    _commonhold_plain = True

    def __reduce__(self):
        return float, (float(self),)

    def __copy__(self):
        return float(self)

    def __deepcopy__(self, _memo):
        return float(self)


_ANY = {
    "__iadd__": operator.add,
    "__isub__": operator.sub,
    "__imul__": operator.mul,
    "__itruediv__": operator.truediv,
    "__ifloordiv__": operator.floordiv,
    "__imod__": operator.mod,
    "__ipow__": operator.pow,
}
_INTS = {
    "__ilshift__": operator.lshift,
    "__irshift__": operator.rshift,
    "__iand__": operator.and_,
    "__ior__": operator.or_,
    "__ixor__": operator.xor,
}
for _name, _operation in (_ANY | _INTS).items():
    setattr(TrackedInt, _name, _noting(_operation, int))
for _name, _operation in _ANY.items():
    setattr(TrackedFloat, _name, _noting(_operation, float))


def by(operations):
    """By how much to increment, if that is all that was done; else None."""
    if len(operations) != 1:
        return None
    operation, operand = operations[0]
    if operation is operator.add:
        return operand
    # -0.0 - 0 is not -0.0 + 0.
    if operation is operator.sub and operand != 0:
        return -operand
    return None
