"""What a type checker learns of the package for asyncio."""

from __future__ import annotations

import array
import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Literal, assert_type

from commonhold import aio


async def connecting() -> None:
    async with await aio.connect("tcp://localhost:7575", name="types", codec="pickle", heartbeat=False) as ch:
        assert_type(ch, aio.AsyncClient)
        assert_type(ch.url, str)
        assert_type(await ch.status(), dict[str, Any])
        async for found in ch.ls("jobs.", kind="queue"):
            assert_type(found, dict[str, Any])
        await ch.delete("jobs.old")
    await ch.close()


async def mappings(ch: aio.AsyncClient) -> None:
    hits: aio.Dict[str, int] = ch.dict("hits", durability="memory", guard=ch.lock("l"))
    assert_type(await hits, aio.Dict[str, int])
    assert_type(await hits["x"], int)
    assert_type(await hits.get("x"), int | None)
    assert_type(await hits.get("x", "none"), int | str)
    assert_type(await hits.pop("x"), int)
    assert_type(await hits.pop("x", None), int | None)
    assert_type(await hits.popitem(), tuple[str, int])
    assert_type(await hits.setdefault("x", 1), int)
    assert_type(await hits.increment("x", 2, max=10, clamp=True), int)
    assert_type(await hits.add("x", 1), bool)
    assert_type(await hits.get_many(["x", "y"]), dict[str, int])
    assert_type(await hits.copy(), dict[str, int])
    assert_type(await hits.len(), int)
    assert_type(hits.items(), AsyncGenerator[tuple[str, int], None])
    await hits.set("x", 1)
    await hits.update({"x": 1}, y=2)
    await hits.update([("x", 1)])
    await hits.update(hits)
    async for key in hits:
        assert_type(key, str)
    assert_type([value async for value in hits.values()], list[int])
    place = hits.at("a", "b").at(0)
    assert_type(place, aio.Place)
    await place.append(1)
    assert_type(await place.change(lambda value: len(value)), int)
    settings = ch.namespace("settings")
    await settings.set("x", 1)
    assert_type(await settings.keys(), list[str])
    # Mistakes, each of which a checker tells: one that it does not tell is an ignore too many.
    await hits.set("x", "text")  # type: ignore[arg-type]
    await hits[1]  # type: ignore[index]
    await hits.update({"x": "text"})  # type: ignore[arg-type]
    hits["x"] = 1  # type: ignore[index]
    for key in hits:  # type: ignore[attr-defined]
        pass
    ch.dict("x", durability="eternal")  # type: ignore[arg-type]


async def sequences(ch: aio.AsyncClient) -> None:
    names: aio.List[str] = ch.list("names")
    assert_type(await names[0], str)
    assert_type(await names[1:], list[str])
    assert_type(await names.get(0), str)
    assert_type(await names.get(slice(0, 2)), list[str])
    await names.set(0, "a")
    await names.set(slice(0, 2), ["a", "b"])
    await names.set(slice(0, 2), names)
    await names.extend(names)
    assert_type(await names.pop(), str)
    assert_type([name async for name in names], list[str])
    grid: aio.Array[float] = ch.array("grid", "d", size=10)
    assert_type(await grid[0], float)
    assert_type(await grid[:2], array.array[Any])
    assert_type(await grid.typecode(), str)
    assert_type(await grid.tolist(), list[float])
    await names.append(1)  # type: ignore[arg-type]
    await names.set(0, 1)  # type: ignore[call-overload]


async def sets_and_values(ch: aio.AsyncClient) -> None:
    members: aio.Set[int] = ch.set()
    assert_type(await members.add(1), bool)
    assert_type(await members.copy(), set[int])
    assert_type(await members.intersection(members, [1, 2]), set[int])
    assert_type(await members.add_many(members), int)
    assert_type([member async for member in members], list[int])
    assert_type(await ch.counter("c").increment(), int)
    total: aio.Value[float] = ch.value("v", 1.5)
    assert_type(await total.get(), float)
    assert_type(await total.swap(2.5), float)
    await members.add("text")  # type: ignore[arg-type]
    await total.set("text")  # type: ignore[arg-type]


async def jobs(ch: aio.AsyncClient) -> None:
    queue: aio.Queue[bytes] = ch.queue("jobs", 100, lifo=True, dead_after=3)
    await queue.put(b"one", timeout=1)
    await queue.put_many([b"two", b"three"])
    assert_type(await queue.get(), bytes)
    assert_type(await queue.get_many(10), list[bytes])
    async with queue.take(lease=30) as job:
        assert_type(job, aio.Job[bytes])
        assert_type(job.value, bytes)
        assert_type(job.deliveries, int)
        await job.extend(30)
    taken = await queue.take(timeout=1)
    assert_type(taken.value, bytes)
    await taken.ack()
    assert_type(await asyncio.create_task(queue.take()), aio.Job[bytes])
    assert_type(await queue.qsize(), int)
    await queue.put("text")  # type: ignore[arg-type]
    ch.queue("x", "y")  # type: ignore[arg-type]
    with queue.take():  # type: ignore[attr-defined]
        pass


async def predicate() -> bytes:
    return b"yes"


async def holding(ch: aio.AsyncClient) -> None:
    lock = ch.lock("l", wait=5, on_crash="keep")
    async with lock as grant:
        assert_type(grant, aio.Grant)
        assert_type(grant.token, int)
        assert_type(grant.lost, bool)
        await grant.note("step 1")
        hits: aio.Dict[str, int] = ch.dict("hits")
        assert_type(hits.fenced(grant), aio.Dict[str, int])
    got = await lock.acquire(timeout=1)
    assert_type(got, aio.Grant | Literal[False])
    if got:
        await got.release()
    assert_type(await lock.force_release(), bool)
    many = ch.rwlock("rw")
    async with many.read(1) as reading:
        assert_type(reading, aio.Grant)
    assert_type(await many.acquire_write(False), aio.Grant | Literal[False])
    ready = ch.condition("ready", lock)
    async with ready as grant:
        assert_type(grant, aio.Grant)
        assert_type(await ready.wait(1), bool)
        assert_type(await ready.wait_for(lambda: "yes"), str)
        assert_type(await ready.wait_for(predicate, timeout=1), bytes)
        await ready.notify_all()
    ch.lock("x", tomeout=1)  # type: ignore[call-arg]
    got.release()  # type: ignore[union-attr]
    async with many:  # type: ignore[misc]
        pass


async def waiting(ch: aio.AsyncClient) -> None:
    permits = ch.semaphore("s", 3)
    async with permits:
        assert_type(await permits.value(), int)
    assert_type(await permits.acquire(timeout=1, n=2), bool)
    await permits.release(2)
    assert_type(await ch.bounded_semaphore("b", permits=1), aio.BoundedSemaphore)
    stop = ch.event("stop")
    await stop.set()
    assert_type(await stop.wait(1), bool)
    assert_type(await ch.barrier("b", 2).wait(), int)
    assert_type(await ch.latch("l", 2).count_down(), int)
    await permits.acquire("soon")  # type: ignore[arg-type]
    stop.set()  # type: ignore[unused-coroutine]
