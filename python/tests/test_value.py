"""Counters, values and namespaces."""

import threading

import pytest
from children import Thread

import commonhold
from commonhold.mapping import vars_of


def test_a_counter_counts(ch):
    c = ch.counter("c")
    assert (c.get(), c.increment(), c.increment(5), c.increment(-2)) == (0, 1, 6, 4)
    assert c.increment(10, max=7, clamp=True) == 7
    with pytest.raises(commonhold.OutOfBounds):
        c.increment(1, max=7)
    assert c.swap(1) == 7
    assert c.compare_and_set(1, 2**80) and not c.compare_and_set(1, 3)
    c.set(0)
    assert c.get() == 0
    with pytest.raises(TypeError):
        c.set("x")


def test_a_value_is_anything(ch):
    v = ch.value("v", [1])
    assert v.get() == v.value == [1]
    v.value = {"a": (1, None)}
    assert v.swap("x") == {"a": (1, None)}
    assert v.compare_and_set("x", 5)
    assert v.increment(2) == 7
    assert ch.value("absent").value is None
    assert ch.value("none", None).get() is None
    with pytest.raises(TypeError):
        ch.value("none").value += 1


def test_threads_lose_no_step_of_a_value(ch):
    v = ch.value("v", 0)
    a = ch.array("a", "q", size=2)
    n = ch.namespace("n")
    l = ch.list("l")
    n.x = 0
    l.append(0)

    def count():
        for _ in range(30):
            v.value += 1
            a[1] += 2
            a[-1] -= 1
            n.x += 1
            l[0] += 1
            n.x *= 1

    for thread in [Thread(count) for _ in range(4)]:
        thread.result()
    assert (v.value, a[1], n.x, l[0]) == (120, 120, 120, 120)


def test_a_namespace_has_attributes(ch):
    n = ch.namespace("n")
    n.x, n.get, n.kind = 1, 2, 3
    assert (n.x, n.get, n.kind) == (1, 2, 3)
    assert hasattr(n, "x") and not hasattr(n, "y")
    del n.get
    with pytest.raises(AttributeError, match="has no attribute 'get'") as raised:
        n.get
    assert (raised.value.name, raised.value.obj) == ("get", n)
    with pytest.raises(AttributeError):
        del n.y
    with pytest.raises(AttributeError):
        n.y += 1
    assert vars_of(n) == {"x": 1, "kind": 3}
    assert {"x", "kind"} <= set(dir(n))
    # What begins with an underscore stays here.
    n._mine = threading.Lock()
    assert "_mine" not in vars_of(n) and n._mine
    assert n == n and n != ch.namespace("n") and hash(n)


def test_a_namespace_tells_what_it_is(server, ch):
    n = ch.namespace("n")
    assert repr(n) == f"<commonhold namespace 'n' at {server.url}>"
    n.name = "other"
    assert repr(n) == f"<commonhold namespace 'n' at {server.url}>"


def test_what_became_of_an_attribute_is_told(ch):
    n = ch.namespace("n")
    n.x = 1
    x = n.x
    x += 1
    Thread(lambda: delattr(n, "x")).result()
    with pytest.raises(AttributeError):
        n.x = x
