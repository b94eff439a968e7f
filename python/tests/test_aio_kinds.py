"""Every kind, by the proxies of the asyncio client."""

import array
import asyncio
import pickle
import queue
import time
from collections import Counter as Tally

import commonhold
from commonhold import aio

from refusals import raises


async def all_of(them):
    return [each async for each in them]


def test_dict(run):
    async def main(ch):
        d = ch.dict("d", durability="memory")
        assert isinstance(d, aio.Dict) and d.name == "d" and d.kind == "dict" and d.client is ch
        assert (await d.get("a"), await d.get("a", 1), await d.len(), await d.contains("a")) == (None, 1, 0, False)
        nothing = object()
        assert await d.get("a", nothing) is nothing and await d.pop("a", nothing) is nothing
        with raises(KeyError, "a"):
            await d["a"]
        await d.set("a", {"b": [1, 2]})
        assert await d["a"] == {"b": [1, 2]} and type(await d["a"]) is dict
        assert await d.swap("x", 1) is None and await d.swap("x", 2) == 1
        assert await d.add("y", 5) and not await d.add("y", 6)
        assert await d.setdefault("y", 7) == 5
        assert await d.increment("n") == 1 and await d.increment("n", 2, max=3) == 3
        with raises(commonhold.OutOfBounds):
            await d.increment("n", max=3)
        assert await d.increment("n", 9, max=5, clamp=True) == 5
        with raises(KeyError, "none"):
            await d.increment("none", default=None)
        assert await d.compare_and_set("n", 5, 6) and not await d.compare_and_set("n", 5, 7)
        assert not await d.compare_and_delete("n", 5) and await d.compare_and_delete("n", 6)
        assert await d.get_many(["x", "y", "z"]) == {"x": 2, "y": 5}
        assert await d.pop("x") == 2 and await d.pop("x", None) is None
        with raises(KeyError, "x"):
            await d.pop("x")
        assert await d.delete("y") and not await d.delete("y")
        await d.clear()
        with raises(KeyError):
            await d.popitem()
        await d.update({"a": 1}, b=2)
        await d.update([("c", 3)])
        await ch.dict("e").update(d)
        assert await ch.dict("e").copy() == {"a": 1, "b": 2, "c": 3}
        assert await d.popitem() == ("c", 3)
        assert await d.delete_many(["a", "nobody"]) == 1
        await d.update({number: -number for number in range(2500)})
        assert await d.delete("b")
        assert [key async for key in d] == list(range(2500)) == await all_of(d.keys())
        assert await all_of(d.values()) == [-number for number in range(2500)]
        assert (await all_of(d.items()))[7] == (7, -7)

    run(main)


def test_places_inside_of_values(run):
    async def main(ch):
        d = ch.dict("d")
        await d.set("a", {"b": {"n": 1}, "l": [1]})
        place = d.at("a", "b")
        assert await place.at("n").increment(2) == 3
        await place.set({"n": 5})
        assert await place.get() == {"n": 5} and await place.contains() and not await place.at("m").contains()
        assert await d.at("a", "zz").get(4) == 4 and await d.at("zz").get(4) == 4
        await d.set("nan", {"n": float("nan"), "l": []})
        await d.at("nan", "l").append(1)
        assert (await d["nan"])["l"] == [1] and await d.delete("nan")
        await d.at("a", "l").append(2)
        await d.at("a", "l").extend([3])
        await place.update({"m": 6}, o=7)
        assert await place.at("m").pop() == 6 and await place.at("m").pop(0) == 0
        with raises(KeyError, "m"):
            await place.at("m").delete()
        with raises(IndexError):
            await d.at("a", "l", 9).delete()
        assert await d["a"] == {"b": {"n": 5, "o": 7}, "l": [1, 2, 3]}
        await asyncio.gather(*[d.at("a", "l").append(number) for number in range(20)])
        assert Tally(await d.at("a", "l").get()) == Tally([1, 2, 3, *range(20)])
        assert await d.at("a", "l").change(lambda items: items.pop()) in range(20)

    run(main)


def test_namespace(run):
    async def main(ch):
        ns = ch.namespace("ns")
        with raises(AttributeError, "x"):
            await ns.get("x")
        assert await ns.get("x", 3) == 3
        await ns.set("x", 1)
        assert await ns.increment("x", 4) == 5 and await ns.compare_and_set("x", 5, 6)
        assert await ns.keys() == ["x"] and await ns.copy() == {"x": 6}
        await ns.delete("x")
        with raises(AttributeError, "x"):
            await ns.delete("x")

    run(main)


def test_list(run):
    async def main(ch):
        items = ch.list("l", durability="memory")
        await items.extend([3, 1, 2])
        await items.append(5)
        await items.insert(0, 9)
        assert await items.copy() == [9, 3, 1, 2, 5]
        assert (await items[0], await items.get(-1), await items[1:3], await items.len()) == (9, 5, [3, 1], 5)
        await items.set(0, 8)
        await items.set(slice(1, 3), [7, 7, 7])
        assert await items.copy() == [8, 7, 7, 7, 2, 5]
        assert await items.increment(0) == 9 and await items.compare_and_set(0, 9, 8)
        assert await items.count(7) == 3 and await items.index(2) == 4 and await items.contains(5)
        await items.delete(0)
        await items.delete(slice(0, 2))
        assert await items.copy() == [7, 2, 5]
        await items.remove(2)
        await items.sort(key=lambda number: -number)
        assert await items.copy() == sorted(await items.copy(), reverse=True)
        await items.sort()
        await items.sort(reverse=True)
        await items.reverse()
        assert await items.pop(0) == 5 and await items.pop() == 7
        for failing, error in (
            (items[0], IndexError),
            (items.set(0, 1), IndexError),
            (items.delete(3), IndexError),
            (items.pop(), IndexError),
            (items.remove(1), ValueError),
            (items.index(1), ValueError),
        ):
            with raises(error):
                await failing
        await items.extend(range(2500))
        await items.extend(items)
        assert [item async for item in items] == [*range(2500)] * 2
        await items.clear()
        assert await items.len() == 0

    run(main)


def test_array(run):
    async def main(ch):
        numbers = ch.array("a", "i", [1, 2, 3])
        assert await numbers[0] == 1 and await numbers[1:] == array.array("i", [2, 3])
        await numbers.set(0, 5)
        await numbers.set(slice(1, 3), [6, 7])
        assert await numbers.increment(0, 2, max=9) == 7 and await numbers.compare_and_set(0, 7, 8)
        assert await numbers.copy() == array.array("i", [8, 6, 7]) and await numbers.tolist() == [8, 6, 7]
        assert [number async for number in numbers] == [8, 6, 7]
        assert (await numbers.len(), await numbers.typecode(), await numbers.index(6)) == (3, "i", 1)
        assert await numbers.contains(8) and await numbers.count(1) == 0
        with raises(IndexError, "array index out of range"):
            await numbers.get(5)
        with raises(OverflowError):
            await numbers.set(0, 1 << 40)
        assert await ch.array("zeros", "d", size=2).tolist() == [0.0, 0.0]

    run(main)


def test_set(run):
    async def main(ch):
        members = ch.set("s", durability="memory")
        assert await members.add(1) and not await members.add(1)
        await members.update({2, 3}, [4])
        assert await members.contains(4) and await members.len() == 4
        assert await members.union({9}, [8]) == {1, 2, 3, 4, 8, 9} and await members.intersection([1, 9]) == {1}
        assert await members.difference(members) == set() and await members.symmetric_difference({4, 5}) == {1, 2, 3, 5}
        assert await members.issuperset({1}) and not await members.issubset({1}) and await members.isdisjoint({9})
        await members.intersection_update({1, 2, 3})
        await members.difference_update({3})
        assert await members.copy() == {1, 2}
        await members.symmetric_difference_update([2, 7])
        assert await members.copy() == {1, 7}
        await members.symmetric_difference_update([2, 7])
        assert await members.discard(1) and not await members.discard(1)
        await members.remove(2)
        with raises(KeyError):
            await members.remove(2)
        with raises(KeyError):
            await members.pop()
        assert await members.add_many(range(2500)) == 2500 and await members.discard_many([0, -1]) == 1
        assert {member async for member in members} == set(range(1, 2500))
        await members.clear()

    run(main)


def test_counter_and_value(run):
    async def main(ch):
        counter = ch.counter("c")
        assert (await counter.get(), await counter.increment(5), await counter.swap(7)) == (0, 5, 5)
        assert await counter.compare_and_set(7, 8) and await counter.increment(9, max=9, clamp=True) == 9
        value = ch.value("v", [1])
        assert await value.get() == [1]
        await value.set("text")
        assert await value.swap(None) == "text"

    run(main)


def test_queue(run):
    async def main(ch):
        jobs = ch.queue("q", 2)
        await jobs.put("a")
        await jobs.put_nowait("b")
        assert await jobs.full() and not await jobs.empty() and await jobs.qsize() == await jobs.len() == 2
        with raises(queue.Full):
            await jobs.put_nowait("c")
        with raises(queue.Full):
            await jobs.put("c", timeout=0.01)
        waiting = asyncio.create_task(jobs.put("c"))
        assert await jobs.peek() == ["a"] and await jobs.get() == "a"
        await waiting
        assert await jobs.get_many(5) == ["b", "c"]
        with raises(queue.Empty):
            await jobs.get_nowait()
        with raises(queue.Empty):
            await jobs.get(timeout=0.01)
        await jobs.task_done(3)
        await jobs.join()
        await jobs.put_many([1, 2])
        async with jobs.take(lease=30) as job:
            assert (job.value, job.deliveries) == (1, 1)
            await job.extend(60)
        with raises(ZeroDivisionError):
            async with jobs.take():
                1 / 0
        job = await jobs.take()
        assert (job.value, job.deliveries) == (2, 2)
        await job.nack()
        job = await asyncio.create_task(jobs.take())
        await job.ack()
        with raises(commonhold.LockLost):
            await job.ack()
        assert await jobs.unfinished() == 0
        await jobs.shutdown()
        with raises(commonhold.ShutDown):
            await jobs.get()
        with raises(ValueError, "non-negative"):
            await jobs.get(timeout=-1)

        dead = ch.queue("dead", dead_after=1, lifo=True)
        await dead.put("x")
        await (await dead.take()).nack()
        assert [letter["value"] for letter in await dead.dead()] == ["x"]
        assert await dead.redrive() == 1
        await (await dead.take()).nack()
        assert await dead.discard() == 1
        await dead.clear()

    run(main)


def test_anonymous_objects_live_as_long_as_something_refers_to_them(run):
    async def main(ch):
        inner = ch.list()
        # Made once, although many call at once.
        await asyncio.gather(*[inner.append(number) for number in range(20)])
        assert sorted(await inner.copy()) == list(range(20))
        outer = await ch.dict()
        assert outer.name is None and "anonymous dict" in repr(outer)
        await outer.set("inner", inner)
        await outer.set("unopened", {"here": ch.counter("named")})
        del inner
        found = await outer["inner"]
        assert isinstance(found, aio.List) and await found.len() == 20
        named = (await outer["unopened"])["here"]
        assert isinstance(named, aio.Counter) and await named.increment() == 1
        with raises(ValueError, "await it first"):
            ch.dict().fenced(await ch.lock("x").acquire())
        await outer.pin(1)

    run(main)


def test_objects_are_created_as_told(run):
    async def main(ch):
        with raises(commonhold.NotFound, "nobody"):
            await ch.dict("nobody", exists=True).get("x")
        d = await ch.dict("d", durability="memory", exists=False)
        with raises(commonhold.Conflict):
            await ch.dict("d", durability="durable").get("x")
        assert [found["name"] async for found in ch.ls()] == ["d"]
        assert [found async for found in ch.ls(kind="list")] == []
        guarded = ch.dict("guarded", guard=ch.lock("guard"))
        with raises(commonhold.FencedOut):
            await guarded.set("k", 1)
        async with ch.lock("guard") as grant:
            await guarded.fenced(grant).set("k", 1)
        await ch.delete("d")
        assert await d.len() == 0
        assert (await ch.status())["objects"] >= 2

    run(main)


def test_values_are_those_of_the_blocking_client(server, ch, run):
    values = [None, True, -(1 << 70), 1.5, "é", b"\x00", [1, [2]], (1, 2), {1, 2}, frozenset({1}), {(1, 2): {}}]

    async def main(own):
        for value in values:
            await own.value("v").set(value)
            assert ch.value("v").get() == value == await own.value("v").get()
        with raises(TypeError, "object"):
            await own.value("v").set(object())
        # Proxies of the one may be stored by the other, if what they stand for is known.
        known = ch.list("shared")
        known.append(1)
        await own.dict("d").set("list", known)
        assert await (await own.dict("d")["list"]).copy() == [1]
        with raises(ValueError, "opened"):
            await own.dict("d").set("list", ch.list("unknown"))
        ch.dict("d")["again"] = await own.list("shared")
        assert ch.dict("d")["again"] == [1]

    run(main)


class Restless:
    """Something that is pickled differently each time."""

    def __init__(self, number):
        self.number = number

    def __getstate__(self):
        return {"number": self.number, "when": time.monotonic_ns()}


def test_what_a_codec_writes_differently_each_time_is_changed_at_its_place(server):
    async def main():
        async with await server.aio(codec="pickle") as ch:
            d, items = ch.dict("d"), ch.list("l")
            await d.set("a", {"l": [Restless(2)]})
            await d.at("a", "l").append(Restless(1))
            assert [found.number for found in (await d["a"])["l"]] == [2, 1]
            await items.extend((await d["a"])["l"])
            await items.sort(key=lambda item: item.number)
            assert [found.number for found in await items.copy()] == [1, 2]
            with raises(KeyError, "missing"):
                await d.at("missing", "l").append(1)

    asyncio.run(main())


def test_a_codec_keeps_what_is_no_value(server):
    async def main():
        async with await server.aio(codec="pickle") as ch, await server.aio() as plain:
            await ch.value("v").set({"set": {1}, "range": range(3)})
            assert await ch.value("v").get() == {"set": {1}, "range": range(3)}
            with raises(commonhold.Error, "pickle"):
                await plain.value("v").get()
            # Shared objects inside of what is pickled, known or not: they live as long as it does.
            value = ch.value("w", durability="memory")
            await value.set({"range": range(3), "box": ch.list(), "named": ch.counter("n")})
            found = await value.get()
            await found["box"].append(1)
            assert await (await value.get())["box"].copy() == [1] and await found["named"].increment() == 1

    asyncio.run(main())


def test_proxies_stay_in_their_process(run):
    async def main(ch):
        for proxy in (ch.dict("d"), ch.lock("x")):
            with raises(TypeError, "event loop"):
                pickle.dumps(proxy)

    run(main)


def test_tasks_are_made_of_every_call(run):
    async def main(ch):
        async with asyncio.TaskGroup() as group:
            group.create_task(ch.dict("d").set("k", 1))
            group.create_task(ch.queue("q").put("item"))
            taking = group.create_task(ch.queue("q").take())
        await taking.result().ack()

    run(main)
