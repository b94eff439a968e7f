"""Random programs do to shared objects what they do to plain ones, `d[k] += 1` being one step or not."""

import array
import types

import exam
import pytest
from fakes import FakeArray, FakeDict, FakeList, FakeNamespace, FakeValue
from programs import INDEXES, KEYS, check


def get_item(thing, place):
    return thing[place]


def put_item(thing, place, value):
    thing[place] = value


# What else a program does to a dict. Where a plain one has no such method, as it would be done to that.
def delete(thing, key):
    del thing[key]


def pop(thing, key):
    thing.pop(key)


def clear(thing, _key):
    thing.clear()


def setdefault(thing, key):
    thing.setdefault(key, 5)


def update(thing, key):
    thing.update({key: 50})


def increment(thing, key):
    if isinstance(thing, dict):
        thing[key] = thing.get(key, 0) + 2
    else:
        thing.increment(key, 2)


def add(thing, key):
    if isinstance(thing, dict):
        thing.setdefault(key, 4)
    else:
        thing.add(key, 4)


def read_plainly(thing, key):
    thing.get(key)


DICT = [delete, delete, pop, clear, setdefault, update, increment, add, read_plainly]


def dicts(first, second, third):
    """Two proxies of one object, and one of another."""
    one, other = {"a": 1}, {"a": 2.5, 1: 3}
    for proxy, data in ((first, one), (second, one), (third, other)):
        proxy.data = data
    plain = [dict(one), dict(other)]
    return [first, second, third], [plain[0], plain[0], plain[1]]


def test_50000_programs_do_what_they_do_with_a_dict(ch):
    proxies = [FakeDict(ch, "dict", name) for name in ("x", "x", "y")]
    raised = check(
        50_000, "dict", KEYS, DICT, lambda: dicts(*proxies), get_item, put_item, lambda d: dict(getattr(d, "data", d))
    )
    # The programs are of use only if most go on as they should, and some do not.
    assert 5_000 < raised < 49_000


def append(thing, _index):
    thing.append(6)


def insert(thing, index):
    thing.insert(index, 8)


def reverse(thing, _index):
    thing.reverse()


def cut(thing, index):
    thing[index:] = [9, 9.5]


def extend(thing, index):
    thing += [index]


LIST = [delete, pop, clear, append, append, insert, reverse, cut, extend]


def lists(first, second):
    data = [1, 2.5, 3]
    first.data = second.data = data
    plain = list(data)
    return [first, second], [plain, plain]


def test_10000_programs_do_what_they_do_with_a_list(ch):
    proxies = [FakeList(ch, "list", "x") for _ in range(2)]
    raised = check(
        10_000, "list", INDEXES, LIST, lambda: lists(*proxies), get_item, put_item, lambda l: list(getattr(l, "data", l))
    )
    assert 1_000 < raised < 9_900


@pytest.mark.parametrize("typecode", "qdbB")
def test_3000_programs_do_what_they_do_with_an_array(ch, typecode):
    proxy = FakeArray(ch, "array", "x")

    def make():
        proxy.data = array.array(typecode, [1, 2, 3])
        return [proxy], [proxy.data[:]]

    raised = check(
        3_000, typecode, INDEXES, [], make, get_item, put_item, lambda a: list(getattr(a, "data", a))
    )
    assert 300 < raised < 3_000


def delete_attribute(thing, name):
    delattr(thing, name)


def test_10000_programs_do_what_they_do_with_attributes(ch):
    proxy = FakeNamespace(ch, "namespace", "x")

    def make():
        proxy.data = {"a": 1, "b": 2}
        return [proxy], [types.SimpleNamespace(a=1, b=2)]

    raised = check(
        10_000, "namespace", ["a", "b", "c"], [delete_attribute], make, getattr, setattr,
        lambda n: dict(n.data) if n is proxy else vars(n),
    )
    assert 1_000 < raised < 9_900


def swap(thing, _place):
    thing.value = 9 if isinstance(thing, types.SimpleNamespace) else (thing.set(9), 9)[1]


def test_5000_programs_do_what_they_do_with_a_value(ch):
    proxy = FakeValue(ch, "value", "x")

    def make():
        proxy.data = [1]
        return [proxy], [types.SimpleNamespace(value=1)]

    raised = check(
        5_000, "value", ["value"], [swap], make, getattr, setattr,
        lambda v: proxy.data[0] if v is proxy else v.value,
    )
    assert 300 < raised < 4_900


def test_programs_do_at_a_server_what_they_do_with_a_dict(ch):
    def make():
        one, other = ch.dict("x", durability="memory"), ch.dict("y", durability="memory")
        for proxy, data in ((one, {"a": 1}), (other, {"a": 2.5, 1: 3})):
            proxy.clear()
            proxy.update(data)
        plain = [{"a": 1}, {"a": 2.5, 1: 3}]
        again = ch.dict("x", durability="memory")
        return [one, again, other], [plain[0], plain[0], plain[1]]

    programs = exam.count(50_000, 200)
    with exam.promise("programs do with a shared dict what they do with a plain one") as figures:
        figures["rounds"] = programs
        figures["raised"] = raised = check(programs, "server", KEYS, DICT, make, get_item, put_item, lambda d: d.copy())
        assert programs / 10 < raised < programs


def test_programs_do_at_a_server_what_they_do_with_a_list(ch):
    def make():
        one, again = (ch.list("x", durability="memory") for _ in range(2))
        one[:] = [1, 2.5, 3]
        plain = [1, 2.5, 3]
        return [one, again], [plain, plain]

    programs = exam.count(10_000, 100)
    with exam.promise("programs do with a shared list what they do with a plain one") as figures:
        figures["rounds"] = programs
        figures["raised"] = raised = check(programs, "server", INDEXES, LIST, make, get_item, put_item, lambda l: l.copy())
        assert programs / 10 < raised < programs


def test_50_programs_do_at_a_server_what_they_do_with_arrays_attributes_and_values(ch):
    a, n, v = ch.array("a", "d", size=3, durability="memory"), ch.namespace("n"), ch.value("v")

    def make_array():
        a[:] = array.array("d", [1, 2, 3])
        return [a], [a.copy()]

    def make_namespace():
        for name in ("a", "b", "c"):
            setattr(n, name, 1)
        return [n], [types.SimpleNamespace(a=1, b=1, c=1)]

    def make_value():
        v.value = 1
        return [v], [types.SimpleNamespace(value=1)]

    assert check(50, "array", INDEXES, [], make_array, get_item, put_item, list)
    attributes = lambda thing: [getattr(thing, name, None) for name in ("a", "b", "c")]
    assert check(50, "names", ["a", "b"], [delete_attribute], make_namespace, getattr, setattr, attributes)
    assert check(50, "value", ["value"], [], make_value, getattr, setattr, lambda thing: thing.value)
