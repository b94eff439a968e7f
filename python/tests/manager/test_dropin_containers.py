"""Proxies of containers have the manners of CPython's, down to the messages of what they refuse."""

import array
import copy
import json
import pickle
import threading
import time

import pytest

from commonhold.multiprocessing import RemoteError


class Version:
    """Something that Python alone can compare."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return self.number == other.number

    def __lt__(self, other):
        return self.number < other.number

    def __repr__(self):
        return f"v{self.number}"


def refused(kind, message):
    """Raises the very class, and the very words."""
    return pytest.raises(kind, check=lambda error: type(error) is kind and str(error) == message)


def test_a_dict_is_like_pythons(manager):
    d = manager.dict({"a": 1}, b=2)
    assert (d.keys(), d.values(), d.items()) == (["a", "b"], [1, 2], [("a", 1), ("b", 2)])
    assert manager.dict(client=1, self=2, typeid=3).copy() == {"client": 1, "self": 2, "typeid": 3}
    assert (dict(d), list(d), len(d), bool(d), {**d}) == (d.copy(), ["a", "b"], 2, True, {"a": 1, "b": 2})
    assert (d.get("a"), d.get("c"), d.get("c", 3), d.setdefault("c"), d.pop("c")) == (1, None, 3, None, None)
    assert d.popitem() == ("b", 2) and "b" not in d
    d.update([("x", 1)], y=2)
    assert str(d) == "{'a': 1, 'x': 1, 'y': 2}"
    d.clear()
    assert not d


def test_a_dict_is_not_a_dict(manager):
    d = manager.dict(a=1)
    assert d != {"a": 1} and not isinstance(d, dict)
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(d)
    with pytest.raises(AttributeError, match="'DictProxy' object has no attribute 'nope'"):
        d.nope


def test_the_first_of_equal_keys_stays(manager):
    d = manager.dict({1: "a"})
    d[1.0] = "b"
    d[True] = "c"
    assert d.copy() == {1: "c"} and type(d.keys()[0]) is int


def test_what_a_dict_refuses(manager):
    d = manager.dict()
    for act in (lambda: d["x"], lambda: d.pop("x"), lambda: d.__delitem__("x")):
        with refused(KeyError, "'x'"):
            act()
    with refused(KeyError, "'popitem(): dictionary is empty'"):
        d.popitem()
    for act in (lambda: d[[]], lambda: d.__setitem__([], 1), lambda: [] in d, lambda: d.get([]), lambda: d.pop([])):
        with refused(TypeError, "unhashable type: 'list'"):
            act()
    with pytest.raises(RemoteError, match="not iterable"):
        manager.dict(5)
    # In the words of each Python.
    with pytest.raises((AttributeError, pickle.PicklingError), match="pickle|local object"):
        d["f"] = lambda: None
    assert d.copy() == {}


def test_iterating_a_dict_ends_as_in_python(manager):
    d = manager.dict({number: None for number in range(10)})
    keys = iter(d)
    assert repr(keys).startswith("<IteratorProxy object, typeid 'Iterator' at 0x")
    assert list(keys) == list(range(10)) and list(keys) == []
    keys = iter(d)
    d["more"] = 1
    with refused(RuntimeError, "dictionary changed size during iteration"):
        next(keys)


def test_more_than_one_call_can_carry(manager):
    many = {number: str(number) for number in range(150_000)}
    d = manager.dict(many)
    assert d.copy() == many and d.keys() == list(many) and sum(d) == sum(many)
    numbers = manager.list(range(150_000))
    assert numbers[:] == list(range(150_000)) and len(numbers) == 150_000
    assert (numbers.count(5), -1 in numbers, numbers.index(149_999)) == (1, False, 149_999)
    numbers.remove(140_000)
    numbers.extend(range(150_000))
    assert len(numbers) == 299_999
    for act in (numbers.sort, numbers.reverse):
        with pytest.raises(ValueError, match="299999 entries are more than one call may handle"):
            act()
    del numbers[:]
    assert numbers[:] == []


def test_others_see_a_batch_whole(manager):
    numbers, d, batch = manager.list(), manager.dict(), 30_000
    done = threading.Event()

    def write():
        for first in range(0, 3 * batch, batch):
            numbers.extend(range(batch))
            d.update((first + number, None) for number in range(batch))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    while not done.is_set():
        seen |= {len(numbers), len(d)}
    thread.join()
    assert seen <= {0, batch, 2 * batch, 3 * batch}


def test_an_array_of_more_than_one_call_can_carry(manager):
    halves = manager.Array("d", [0.5] * 150_000)
    assert len(halves) == 150_000 and halves[::-1] == halves[:] == array.array("d", [0.5] * 150_000)
    upwards = array.array("d", range(150_000))
    halves[:] = upwards
    assert halves[:] == upwards and halves[::-1] == upwards[::-1] and halves[100_001:9:-7] == upwards[100_001:9:-7]
    assert len(manager.Array("b", [1] * 1_000_001)) == 1_000_001


def test_more_bytes_than_one_call_can_carry(manager):
    texts = [str(number) * 50_000 for number in range(700, 1000)]
    doubled = manager.list(texts)
    doubled.extend(texts)
    assert doubled[:] == texts * 2
    d = manager.dict(enumerate(texts))
    d.update((number, text) for number, text in enumerate(texts, 100))
    assert len(d) == 400 and d[399] == texts[-1]
    space = manager.Namespace()
    for number in range(70):
        setattr(space, f"n{number}", "x" * (1 << 20))
    assert str(space).startswith("Namespace(n0='xxx") and len(str(space)) > 70 << 20


class Other:
    """Something that differs each time that it is pickled."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return type(other) is Other and self.number == other.number

    def __getstate__(self):
        return {"number": self.number, "when": time.monotonic_ns()}


def endless():
    """A list that holds itself."""
    made = [1]
    made.append(made)
    return made


def test_what_is_no_value_may_be_among_others(manager):
    half, deep, other = "\ud800", [], Other(1)
    for _ in range(40):
        deep = [deep]
    mixed = manager.list([half, 1, deep, endless()])
    assert mixed[0] == half and mixed[2] == deep
    found = mixed[3]
    assert found[1] is found
    mixed.extend([half, other])
    mixed[1:2] = [deep, {half}]
    assert mixed.count(half) == 2 and mixed.index(deep) == 1 and other in mixed
    mixed.remove(other)
    assert len(mixed) == 6 and other not in mixed
    d = manager.dict({half: 1}, deep=deep)
    d.update({"half": half, 1 << 600_000: 2})
    d["deep"] = endless()
    assert (d[half], d["half"], d[1 << 600_000], d.keys()[0]) == (1, half, 2, half)
    found = d["deep"]
    assert found[1] is found


@pytest.mark.parametrize("key", [None, lambda number: -number], ids=["plain", "key"])
def test_sorting_loses_nothing_that_others_write(manager, key):
    numbers, rounds = manager.list(), 2000
    done = threading.Event()

    def append():
        for number in range(rounds):
            numbers.append(number)
        done.set()

    thread = threading.Thread(target=append)
    thread.start()
    while not done.is_set():
        numbers.sort(key=key)
    thread.join()
    numbers.sort(key=key)
    assert numbers[:] == sorted(range(rounds), key=key)


def test_a_list_is_like_pythons(manager):
    numbers = manager.list(range(5))
    assert (numbers[1], numbers[-1], numbers[1:3], numbers[::-2]) == (1, 4, [1, 2], [4, 2, 0])
    assert type(numbers[1:3]) is list and list(numbers) == list(reversed(list(reversed(numbers))))
    assert (numbers + [5], numbers * 2, 2 * numbers) == ([*range(6)], [*range(5)] * 2, [*range(5)] * 2)
    numbers += [5]
    numbers *= 2
    assert numbers.count(5) == 2 and numbers.index(5) == 5 and numbers.index(5, 6) == 11
    numbers[1:11] = "ab"
    del numbers[0], numbers[-1:]
    assert str(numbers) == "['a', 'b']"
    numbers.extend(numbers)
    numbers.insert(1, "z")
    numbers.remove("a")
    numbers.sort()
    numbers.reverse()
    assert numbers[:] == ["z", "b", "b", "a"] and numbers.pop() == "a" and numbers.pop(0) == "z"
    assert manager.list(numbers)[:] == ["b", "b"]
    numbers.clear()
    assert not numbers


def test_what_a_list_refuses(manager):
    empty, one = manager.list(), manager.list([1])
    for kind, message, act in [
        (IndexError, "list index out of range", lambda: one[5]),
        (IndexError, "list assignment index out of range", lambda: one.__setitem__(5, 1)),
        (IndexError, "pop from empty list", empty.pop),
        (IndexError, "pop index out of range", lambda: one.pop(5)),
        (ValueError, "list.remove(x): x not in list", lambda: one.remove(7)),
        (ValueError, "'a' is not in list", lambda: one.index("a")),
        (ValueError, "slice step cannot be zero", lambda: one[::0]),
        (TypeError, "list indices must be integers or slices, not str", lambda: one["a"]),
        (TypeError, "slice indices must be integers or None or have an __index__ method", lambda: one["a":]),
        (TypeError, "slice indices must be integers or have an __index__ method", lambda: one.index(1, "a")),
        (TypeError, "'<' not supported between instances of 'str' and 'int'", manager.list([1, "a"]).sort),
        (TypeError, 'can only concatenate list (not "ListProxy") to list', lambda: [1] + one),
        (TypeError, "'int' object is not iterable", lambda: one.extend(5)),
    ]:
        with refused(kind, message):
            act()
    assert one[:] == [1]


def test_objects_of_a_program_are_compared_by_it(manager):
    versions = manager.list([Version(3), Version(1), Version(2)])
    assert Version(1) in versions and versions.index(Version(2)) == 2 and versions.count(Version(3)) == 1
    versions.sort()
    assert str(versions) == "[v1, v2, v3]"
    versions.sort(key=lambda version: -version.number)
    versions.remove(Version(2))
    assert str(versions) == "[v3, v1]"
    with refused(ValueError, "list.remove(x): x not in list"):
        versions.remove(Version(2))


def test_iterating_a_list_sees_what_others_write(manager):
    numbers = manager.list([1, 2])
    iterator = iter(numbers)
    numbers[0] = 100
    assert next(iterator) == 100


def test_a_value_keeps_any_value(manager):
    value = manager.Value("i", 5)
    assert (str(value), value.get(), value.value) == ("Value('i', 5)", 5, 5)
    value.set("text")
    assert value.value == "text" and not hasattr(value, "get_lock")
    value.value = 1
    value.value += 1
    assert value.value == 2


def test_an_array_is_like_pythons(manager):
    numbers = manager.Array("i", [1, 2, 3])
    assert (str(numbers), len(numbers), numbers[-1], list(numbers)) == ("array('i', [1, 2, 3])", 3, 3, [1, 2, 3])
    assert numbers[1:] == array.array("i", [2, 3])
    numbers[0] += 9
    assert numbers[0] == 10
    for kind, message, act in [
        (IndexError, "array index out of range", lambda: numbers[9]),
        (IndexError, "array assignment index out of range", lambda: numbers.__setitem__(9, 1)),
        (OverflowError, "signed integer is greater than maximum", lambda: numbers.__setitem__(0, 1 << 40)),
        (TypeError, "'str' object cannot be interpreted as an integer", lambda: numbers.__setitem__(0, "x")),
        (TypeError, "array indices must be integers", lambda: numbers["x"]),
    ]:
        with refused(kind, message):
            act()
    with pytest.raises(RemoteError):
        manager.Array("i", 5)


def test_a_namespace_keeps_names_with_an_underscore_to_itself(manager):
    space = manager.Namespace(x=1)
    space._own, space.tracked = 2, 3
    space.x += 1
    assert (str(space), space.x, space._own, space.tracked) == ("Namespace(tracked=3, x=2)", 2, 2, 3)
    del space.tracked
    assert not hasattr(space, "tracked")
    with refused(AttributeError, "'Namespace' object has no attribute 'y'"):
        space.y


def test_copies_are_plain_or_other_proxies(manager):
    d = manager.dict(a=[1])
    again, plain = copy.copy(d), copy.deepcopy(d)
    again["b"] = 2
    assert plain == {"a": [1]} and type(plain) is dict
    assert d._getvalue() == {"a": [1], "b": 2} and again is not d and again != d
    assert pickle.loads(pickle.dumps(d)).copy() == d.copy()


def test_nesting_is_by_proxies_only(manager):
    inner = manager.list([1])
    outer = manager.dict(plain=[1], shared=inner)
    del inner
    outer["plain"].append(2)
    outer["shared"].append(2)
    assert outer["plain"] == [1] and type(outer["plain"]) is list
    assert outer["shared"][:] == [1, 2]
    outer["inside"] = (Version(outer["shared"]),)
    del outer["shared"]
    outer["inside"][0].number.append(3)
    assert outer["inside"][0].number[:] == [1, 2, 3]


def test_objects_go_with_their_last_proxy(manager):
    def count():
        return manager._number_of_objects()

    assert count() == 0
    d = manager.dict()
    d["inner"] = manager.list()
    d["inner"].append(d)
    assert count() == 1, "what only others refer to is nobody's"
    inner = d["inner"]
    assert count() == 2
    del d, inner
    assert count() == 0
    # The queue of the last answer goes a moment after it.
    until = time.monotonic() + 30
    while manager._client().status()["anonymous"] > 0:
        assert time.monotonic() < until, "a cycle goes, too"


def by_another_thread(do, **arguments):
    thread = threading.Thread(target=do, kwargs=arguments)
    thread.start()
    thread.join(30)


def test_increments_are_tracked_unless_that_is_switched_off(manager, monkeypatch):
    d = manager.dict(n=1)
    first = d["n"]
    first += 1
    by_another_thread(d.update, n=10)
    d["n"] = first
    assert d["n"] == 11
    monkeypatch.setattr(type(d), "tracked", False)
    first = d["n"]
    first += 1
    by_another_thread(d.update, n=100)
    d["n"] = first
    assert d["n"] == 12 and type(d["n"]) is int


def test_what_this_thread_moved_is_stored_as_it_is(manager):
    """As in Python: the number that was read before is a number."""
    moves = [
        (lambda l: l.insert(0, 100), [11, 10, 20]),
        (lambda l: l.__delitem__(slice(0, 1)), [11]),
        (lambda l: l.__setitem__(slice(0, 1), [7, 8]), [11, 8, 20]),
        (lambda l: l.extend([30]), [11, 20, 30]),
        (lambda l: l.sort(reverse=True), [11, 10]),
        (lambda l: l.sort(key=lambda number: -number), [11, 10]),
        (lambda l: l.remove(10), [11]),
        (lambda l: l.reverse(), [11, 10]),
    ]
    for move, expected in moves:
        numbers = manager.list([10, 20])
        first = numbers[0]
        first += 1
        move(numbers)
        numbers[0] = first
        assert numbers[:] == expected
    space = manager.Namespace(x=1)
    [other] = manager.list([space])
    x = space.x
    x += 1
    other.x = 100
    space.x = x
    assert space.x == 2
    d = manager.dict(n=1)
    n = d["n"]
    n += 1
    d.setdefault("n", 5)
    d["n"] = n
    assert d["n"] == 2


def test_lists_can_be_plain(manager, monkeypatch):
    numbers = manager.list([1])
    monkeypatch.setattr(type(numbers), "tracked", False)
    assert type(numbers[0]) is int
    numbers[0] += 1
    assert numbers[:] == [2]
    with refused(IndexError, "list index out of range"):
        numbers[5]


def test_a_method_that_is_not_exposed_is_refused(manager):
    with pytest.raises(RemoteError, match="not exposed"):
        manager.dict()._callmethod("__class__")
    with pytest.raises(RemoteError, match="not exposed"):
        manager.list()._callmethod("_call", ("clear",))
