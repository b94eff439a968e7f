"""What tasks wait for each other with, by the proxies of the asyncio client."""

import asyncio
import threading

import commonhold

from refusals import raises


def test_lock(run):
    async def main(ch):
        lock = ch.lock("x", wait=5, note="mine")
        async with lock as grant:
            assert (await ch.who("x"))["holders"][0]["note"] == "mine"
            await grant.note("step 1")
            await grant.extend(30)
            assert await lock.locked() and not grant.lost and not grant.previous_owner_died
            assert await asyncio.create_task(lock.acquire(blocking=False)) is False
            with raises(commonhold.LockTimeout, "held by"):
                async with ch.lock("x", wait=0.01):
                    pass
            d = ch.dict("d")
            await d.fenced(grant).set("k", 1)
        with raises(commonhold.FencedOut):
            await d.fenced(grant).set("k", 2)
        assert not await lock.locked() and await d["k"] == 1
        with raises(ValueError):
            async with lock:
                raise ValueError
        grant = await lock.acquire(lease=30)
        # Another task may give it back.
        await asyncio.create_task(grant.release())
        with raises(commonhold.LockLost):
            await grant.release()
        await lock.acquire()
        assert await lock.force_release()
        async with lock as grant:
            assert grant.previous_end == "forced" and not grant.previous_owner_died
        with raises(commonhold.NotOwner):
            await lock.release()

    run(main)


def test_each_task_holds_rlocks_for_itself(run):
    async def main(ch):
        lock = ch.rlock("x")
        order = []

        async def nested(name):
            async with lock, lock, lock:
                order.append(name)
                await asyncio.sleep(0)
                order.append(name)

        await asyncio.gather(*[nested(number) for number in range(10)])
        assert order == [number for number in sorted(set(order), key=order.index) for _ in range(2)]
        async with lock:
            assert await asyncio.create_task(lock.acquire(blocking=False)) is False
            assert await lock.acquire(blocking=False)
            with raises(commonhold.NotOwner):
                await asyncio.create_task(lock.release())
            await lock.release()
        assert not await lock.locked()

    run(main)


def test_rwlock(run):
    async def main(ch):
        lock = ch.rwlock("x")
        async with lock.read():

            async def read():
                async with lock.read(wait=5):
                    assert await lock.readers() == 2

            await asyncio.create_task(read())
            assert await asyncio.create_task(lock.acquire_write(timeout=0.01)) is False
        async with lock.write() as grant:
            assert await lock.locked() and grant.token
            assert await asyncio.create_task(lock.acquire_read(blocking=False)) is False
        grant = await lock.acquire_read()
        await lock.release()
        with raises(commonhold.LockLost):
            await grant.release()

    run(main)


def test_condition(run):
    async def main(ch):
        condition = ch.condition("c")
        ready = []

        async def consume():
            async with condition:
                await condition.wait_for(lambda: ready)
                return ready.pop()

        consumers = [asyncio.create_task(consume()) for _ in range(20)]
        while await condition.waiting() < 20:
            await asyncio.sleep(0.001)
        for number in range(20):
            async with condition:
                ready.append(number)
                await condition.notify()
        assert sorted(await asyncio.gather(*consumers)) == list(range(20))
        async with condition:
            assert not await condition.wait(0.01)
            assert await condition.wait_for(lambda: None, 0.01) is None
            await condition.notify_all()
        with raises(commonhold.NotOwner):
            await condition.notify()

        async with condition as grant:
            before = grant.token
            await condition.wait(0.001)
            # Others have had it since, for all that the old number tells.
            assert grant.token > before and not grant.lost
            await grant.note("after the wait")

        # One that shares a lock, which is made with it.
        lock = ch.lock("shared")
        full, empty = (ch.condition(name, lock) for name in ("full", "empty"))

        async def fill():
            async with empty:
                await full.notify()

        async with full:
            assert await asyncio.create_task(lock.acquire(blocking=False)) is False
            filling = asyncio.create_task(fill())
            assert await full.wait(5)
        await filling

    run(main)


def test_semaphore_event_latch(run):
    async def main(ch):
        permits = ch.bounded_semaphore("s", 2)
        async with permits:
            assert await permits.value() == 1 and await permits.acquire(n=1)
            assert not await permits.acquire(timeout=0.01) and not await permits.acquire(blocking=False)
            await permits.release()
        with raises(ValueError):
            await permits.release()

        event = ch.event("e")
        assert not await event.wait(0.01) and not await event.is_set()
        waiting = [asyncio.create_task(event.wait()) for _ in range(5)]
        await event.set()
        assert await asyncio.gather(*waiting) == [True] * 5
        await event.clear()
        assert not await event.is_set()

        latch = ch.latch("l", 2)
        waiting = asyncio.create_task(latch.wait())
        assert await latch.count_down() == 1 and await latch.get() == 1 and not await latch.wait(0)
        assert await latch.count_down(5) == 0 and await waiting

    run(main)


def test_barrier(run):
    async def main(ch):
        barrier = ch.barrier("b", 3)
        assert sorted(await asyncio.gather(*[barrier.wait() for _ in range(3)])) == [0, 1, 2]
        waiting = asyncio.create_task(barrier.wait())
        while not await barrier.n_waiting():
            await asyncio.sleep(0.001)
        await barrier.abort()
        with raises(threading.BrokenBarrierError):
            await waiting
        assert await barrier.broken() and await barrier.parties() == 3
        await barrier.reset()
        with raises(threading.BrokenBarrierError):
            await barrier.wait(0.01)

    run(main)


def test_a_block_gives_back_its_own_permit_and_nobody_elses(server):
    async def main():
        async with await server.aio() as ch, await server.aio() as other:
            permits, theirs = ch.semaphore("s", 2), other.semaphore("s", 2)
            await theirs.acquire()
            with raises(commonhold.LockLost):
                async with permits:
                    await permits.release()
            assert await permits.value() == 1, "the other one is taken"
            # What went wrong in the block matters more.
            with raises(ZeroDivisionError):
                async with permits:
                    await permits.release()
                    raise ZeroDivisionError
            assert await permits.value() == 1
            await theirs.release()

    asyncio.run(main())
