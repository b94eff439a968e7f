"""Which stores of numbers run at the server: the rule of `d[k] += 1`, a sentence a test."""

import asyncio
import copy
import decimal
import fractions
import gc
import operator
import os
import pickle
import threading
import weakref

import pytest
from numbers_between import between, with_another


def test_in_place_operators_run_at_the_store(d):
    assert between(d, lambda n: operator.iadd(n, 1)) == 102
    assert between(d, lambda n: operator.isub(n, 2)) == 200
    assert between(d, lambda n: operator.imul(n, 2)) == 600
    assert between(d, lambda n: operator.iadd(operator.imul(n, 2), 5)) == 1405
    assert between(d, lambda n: operator.ifloordiv(n, 5)) == 301
    assert between(d, lambda n: operator.imod(n, 400)) == 1
    assert between(d, lambda n: operator.ipow(n, 2)) == 101**2
    d["n"] = 1
    assert between(d, lambda n: operator.ilshift(n, 1)) == 202
    assert between(d, lambda n: operator.iand(n, 255)) == 302 & 255
    assert between(d, lambda n: operator.ior(n, 1)) == 146 | 1
    assert between(d, lambda n: operator.ixor(n, 3)) == 247 ^ 3
    assert between(d, lambda n: operator.irshift(n, 2)) == 344 >> 2
    assert between(d, lambda n: operator.itruediv(n, 2)) == 93.0
    assert between(d, lambda f: operator.iadd(operator.iadd(f, 0.25), 0.25), "f") == 102.0


def test_other_operators_and_conversions_give_plain_numbers(d):
    for plain in (
        lambda n: n + 1, lambda n: 1 + n, lambda n: -n, lambda n: +n, lambda n: abs(n), lambda n: int(n), lambda n: n * 1.0,
        lambda n: max(n + 0, 0), copy.copy, copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n)), lambda n: round(n),
        lambda n: n.real, lambda n: n.conjugate(), operator.index, lambda n: divmod(n, 1)[0], lambda n: sum([n]),
    ):
        for key in ("n", "f"):
            if key == "n" or plain not in (operator.index,):
                try:
                    result = plain(d[key])
                except TypeError:
                    assert key == "f"
                    continue
                assert type(result) in (int, float)
    assert between(d, lambda n: n + 1) == 2
    assert type(d.get("n")) is int
    assert type(d.setdefault("n")) is int
    assert type(d.copy()["n"]) is int
    assert [type(value) for value in d.values()] == [int, float]
    assert type(dict(d.items())["n"]) is int
    assert type(d.plain["n"]) is int
    assert type(d.pop("n")) is int


def test_a_number_is_what_it_is(d):
    n, f = d["n"], d["f"]
    assert (n, f, repr(n), repr(f), str(n), f"{n:03} {f:.2f}") == (1, 1.5, "1", "1.5", "1", "001 1.50")
    assert {n: "key"}[1] == "key"
    assert isinstance(n, int) and isinstance(f, float)
    assert [10, 20][n] == 20
    assert list(range(n)) == [0]
    assert bool(n) and not n.__class__(0)


def test_operands_of_other_types_make_what_they_make_of_numbers(d):
    assert between(d, lambda n: operator.iadd(n, fractions.Fraction(1, 2)).numerator) == 3
    n = d["n"]
    n += decimal.Decimal(1)
    assert type(n) is decimal.Decimal
    t = d["n"]
    t *= (0,)
    assert type(t) is tuple


def test_the_same_number_stored_twice_is_stored_the_second_time(d):
    n = d["n"]
    n += 1
    d["n"] = n
    with_another(d, lambda other: other.increment("n", 100))
    d["n"] = n
    assert d.get("n") == 2


def test_a_number_stored_elsewhere_is_stored(ch, d):
    other = ch.dict("y")
    other["n"] = 50
    other["n"]
    n = d["n"]
    n += 1
    other["n"] = n
    assert other.get("n") == 2
    d["m"] = 7
    d["m"] = n
    assert d.get("m") == 2
    kept = d["n"]
    kept += 5
    d["list"] = [kept]
    assert d.get("list") == [6]


def test_two_proxies_of_one_object_are_one(ch, d):
    again = ch.dict("x")
    n = d["n"]
    n += 1
    with_another(d, lambda other: other.increment("n", 100))
    again["n"] = n
    assert d.get("n") == 102
    n = d["n"]
    n += 1
    again["n"] = 0
    d["n"] = n
    assert d.get("n") == 103
    n = d["n"]
    n += 1
    ch.delete("x")
    new = ch.dict("x")
    new["n"] = n
    assert new.get("n") == 104


def test_anonymous_objects_are_told_apart(ch):
    one, other = ch.dict(), ch.dict()
    one["n"], other["n"] = 1, 10
    n = one["n"]
    n += 1
    other["n"]
    other["n"] = n
    assert (one.get("n"), other.get("n")) == (1, 2)


def test_another_thread_stores_what_it_was_given(d):
    n = d["n"]
    n += 1

    def store():
        d.increment("n", 100)
        d["n"] = n

    thread = threading.Thread(target=store)
    thread.start()
    thread.join()
    assert d.get("n") == 2


def test_a_thread_that_ended_is_not_taken_for_one_that_begins(d):
    read = []

    def reader():
        read.append(d["n"])

    def writer():
        with_another(d, lambda other: other.increment("n", 100))
        d["n"] = operator.iadd(read.pop(), 1)

    for act in (reader, writer):
        # The second has the number of the first in most systems.
        thread = threading.Thread(target=act)
        thread.start()
        thread.join()
    assert d.get("n") == 2


def test_another_task_stores_what_it_was_given(d):
    async def reader():
        return operator.iadd(d["n"], 1)

    async def writer(n):
        d.increment("n", 100)
        d["n"] = n

    async def one_task():
        n = d["n"]
        await asyncio.sleep(0)
        with_another(d, lambda other: other.increment("n", 100))
        n += 1
        d["n"] = n

    async def main():
        await asyncio.create_task(writer(await asyncio.create_task(reader())))
        assert d.get("n") == 2
        await asyncio.create_task(one_task())
        assert d.get("n") == 103

    asyncio.run(main())


def test_threads_and_tasks_lose_no_increment(d):
    d["n"] = 0

    async def count():
        for _ in range(25):
            d["n"] += 1
            await asyncio.sleep(0)

    async def crowd():
        await asyncio.gather(count(), count())

    threads = [threading.Thread(target=lambda: asyncio.run(crowd())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert d["n"] == 4 * 2 * 25


def test_places_are_noted_while_other_threads_read(d):
    stop = threading.Event()

    def read():
        number = 0
        while not stop.is_set():
            kept = [d["n"], d["f"]]
            number += len(kept)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            kept = d["n"]
            d.update(f=2.5)
        assert kept == 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_forked_child_stores_what_it_was_given(d):
    n = d["n"]
    n += 1
    d.increment("n", 100)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            d["n"] = n
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert d.get("n") == 2


def test_a_number_keeps_nothing_alive(server):
    ch = server.connect()
    d = ch.dict("x")
    d["n"] = 1
    n = d["n"]
    n += 1
    gone = weakref.ref(d), weakref.ref(ch)
    del d, ch
    gc.collect()
    assert (n, gone[0](), gone[1]()) == (2, None, None)
    with server.connect() as other:
        other.dict("x")["n"] = n
        assert other.dict("x").get("n") == 2

    async def main():
        async def task():
            return n.__class__(n)

        made = asyncio.create_task(task())
        await made
        return weakref.ref(made)

    assert asyncio.run(main())() is None


def test_after_close_nothing_is_stored(server, d):
    ch = server.connect()
    mine = ch.dict("x")
    n = mine["n"]
    n += 1
    ch.close()
    with pytest.raises(Exception, match="closed"):
        mine["n"] = n
    assert d.get("n") == 1


def test_what_became_of_the_place_is_told(d):
    n = d["n"]
    n += 1
    with_another(d, lambda other: other.delete("n"))
    with pytest.raises(KeyError) as raised:
        d["n"] = n
    assert raised.value.args == ("n",)
    with_another(d, lambda other: other.set("n", 1))
    n = d["n"]
    n += 1
    with_another(d, lambda other: other.set("n", "text"))
    with pytest.raises(TypeError):
        d["n"] = n
    assert d["n"] == "text"


def test_nan_is_changed_too(d):
    d["n"] = float("nan")
    d["n"] *= 2
    assert d["n"] != d["n"]
    d["n"] += 1
    assert d["n"] != d["n"]


def test_a_sum_in_a_loop_is_one_increment(d):
    total = d["n"]
    for number in range(1000):
        total += number
        total -= 1
    with_another(d, lambda other: other.increment("n", 100))
    d["n"] = total
    assert d.get("n") == 1 + sum(range(1000)) - 1000 + 100


def test_sums_of_floats_are_made_in_their_order(d):
    f = d["f"]
    f += 10**20
    f -= 10**20
    d["f"] = f
    assert d.get("f") == 0.0


def test_too_much_to_remember_is_stored(d):
    f = d["f"]
    for _ in range(1000):
        f *= 1.0
    assert type(f) is float
    d["f"] = f
    assert d.get("f") == 1.5


def test_a_list_is_changed_where_it_was_read(ch):
    l = ch.list("l")
    l.extend([1, 2, 3])
    n = l[-1]
    n += 1
    with_another(l, lambda other: other.increment(-1, 100))
    l[-1] = n
    assert l.copy() == [1, 2, 104]
    # The place may be another since: what was read there is stored.
    n = l[-1]
    n += 1
    l.append(7)
    l[-1] = n
    assert l.copy() == [1, 2, 104, 105]
    with pytest.raises(IndexError, match="^list index out of range$"):
        l[9] += 1
