"""Cancelled calls of the asyncio client: what they took goes back, whenever the cancellation comes."""

import asyncio
import random

import pytest

import commonhold


def test_a_storm_of_cancelled_gets_loses_and_doubles_nothing(server):
    rounds, getters = 4000, 8

    async def main():
        chance = random.Random(1)
        async with await server.aio() as ch, await server.aio() as other:
            queue, feed = (c.queue("jobs", durability="memory") for c in (ch, other))
            got = []
            cancelled = 0

            async def get_at_most_for(seconds):
                nonlocal cancelled
                getting = asyncio.create_task(queue.get())
                if seconds < 0.0003:
                    # Between the arrival of the reply and its caller's turn as well.
                    for _ in range(chance.randrange(12)):
                        await asyncio.sleep(0)
                else:
                    await asyncio.sleep(seconds)
                getting.cancel()
                try:
                    got.append(await getting)
                except asyncio.CancelledError:
                    cancelled += 1

            async def getter():
                while len(got) < rounds:
                    await get_at_most_for(chance.choice((0, chance.random() * 0.003)))

            async def put():
                for number in range(rounds):
                    await feed.put(number)
                    if chance.random() < 0.2:
                        await asyncio.sleep(chance.random() * 0.002)

            async with asyncio.timeout(120):
                await asyncio.gather(put(), *[getter() for _ in range(getters)])
            assert sorted(got) == list(range(rounds))
            assert cancelled > rounds / 10, cancelled
            assert await queue.empty()

    asyncio.run(main())


def test_a_reply_that_is_here_but_not_taken_is_given_back(server):
    async def main():
        async with await server.aio() as ch, await server.aio() as other:
            queue = ch.queue("jobs", durability="memory")
            await queue.open()
            hits = 0
            for number in range(300):
                getting = asyncio.create_task(queue.get())
                await asyncio.sleep(0)
                await other.queue("jobs").put(number)
                # Its future is done as soon as the reply is here; the task has not run yet when this one does.
                while not all(f.done() for f in ch._conductor._waiting.values()):
                    await asyncio.sleep(0)
                hits += not getting.done()
                getting.cancel()
                try:
                    assert await getting == number
                except asyncio.CancelledError:
                    assert await queue.get(timeout=5) == number
            assert await queue.empty()
            assert hits > 0

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["lock", "rlock"])
def test_cancelled_acquires_leave_no_holder(server, kind):
    async def main():
        chance = random.Random(2)
        async with await server.aio() as ch:
            lock = getattr(ch, kind)("x", durability="memory")
            inside = 0

            async def hold():
                nonlocal inside
                async with lock:
                    inside += 1
                    try:
                        assert inside == 1
                        await asyncio.sleep(0)
                    finally:
                        inside -= 1

            for _ in range(150):
                holders = [asyncio.create_task(hold()) for _ in range(8)]
                for holder in holders:
                    if chance.random() < 0.6:
                        asyncio.get_running_loop().call_later(chance.random() * 0.004, holder.cancel)
                results = await asyncio.gather(*holders, return_exceptions=True)
                assert all(r is None or isinstance(r, asyncio.CancelledError) for r in results), results
            async with asyncio.timeout(5):
                assert await lock.acquire()
                await lock.release()
            who = await ch.who("x")
            assert (who["holders"], who["waiting"]) == ([], [])

    asyncio.run(main())


def test_cancelled_acquires_leave_all_permits(server):
    async def main():
        chance = random.Random(3)
        async with await server.aio() as ch:
            permits = ch.semaphore("x", 3, durability="memory")

            async def hold():
                async with permits:
                    await asyncio.sleep(chance.random() * 0.002)

            for _ in range(60):
                holders = [asyncio.create_task(hold()) for _ in range(12)]
                for holder in holders[::2]:
                    asyncio.get_running_loop().call_later(chance.random() * 0.006, holder.cancel)
                await asyncio.gather(*holders, return_exceptions=True)
            async with asyncio.timeout(5):
                for _ in range(3):
                    assert await permits.acquire()
            assert not await permits.acquire(blocking=False)

    asyncio.run(main())


def test_rwlock_holders_that_are_cancelled_are_gone(server):
    async def main():
        chance = random.Random(4)
        async with await server.aio() as ch:
            lock = ch.rwlock("x", durability="memory")

            async def hold(block):
                async with block():
                    await asyncio.sleep(chance.random() * 0.001)

            for _ in range(60):
                holders = [asyncio.create_task(hold(chance.choice((lock.read, lock.write)))) for _ in range(10)]
                for holder in holders[::2]:
                    asyncio.get_running_loop().call_later(chance.random() * 0.005, holder.cancel)
                await asyncio.gather(*holders, return_exceptions=True)
            async with asyncio.timeout(5), lock.write():
                assert (await ch.who("x"))["waiting"] == []

    asyncio.run(main())


def test_a_time_out_ends_a_wait_and_nothing_else(server):
    async def main():
        async with await server.aio() as ch:
            queue = ch.queue("jobs")
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await queue.get()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(queue.get(), 0.05)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(queue.take(), 0.05)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), queue.take():
                    raise AssertionError("there was nothing to take")
            await queue.put("item")
            assert (await ch.who("jobs"))["waiting"] == []
            assert await queue.get() == "item"

    asyncio.run(main())


def test_a_block_that_is_cancelled_gives_its_job_back(server):
    async def main():
        async with await server.aio() as ch:
            queue = ch.queue("jobs", durability="memory")
            await queue.put("item")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), queue.take() as job:
                    assert job.value == "item"
                    await asyncio.sleep(10)
            async with queue.take(timeout=5) as job:
                assert (job.value, job.deliveries) == ("item", 2)
            assert await queue.unfinished() == 0

    asyncio.run(main())


def test_a_release_that_is_cancelled_happens_all_the_same(server):
    async def main():
        async with await server.aio() as ch:
            lock, permits = ch.lock("x"), ch.semaphore("s", 1)
            for _ in range(50):
                grant = await lock.acquire()
                await permits.acquire()
                for release in (grant.release(), permits.release()):
                    releasing = asyncio.create_task(release)
                    await asyncio.sleep(0)
                    releasing.cancel()
                    await asyncio.gather(releasing, return_exceptions=True)
                async with asyncio.timeout(5):
                    await (await lock.acquire()).release()
                    await permits.acquire()
                    await permits.release()

    asyncio.run(main())


def test_a_cancelled_wait_for_a_condition_takes_its_lock_again(server):
    async def main():
        async with await server.aio() as ch:
            condition = ch.condition("c")
            for pause in (0, 0.001, 0.03):
                async with condition:
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(pause):
                            await condition.wait()
                    assert len((await ch.who("c"))["holders"]) == 1
                    await condition.notify()
                who = await ch.who("c")
                assert (who["holders"], who["waiting"]) == ([], [])

    asyncio.run(main())


@pytest.mark.parametrize("contended", [False, True])
def test_a_cancelled_wait_under_a_recursive_lock_takes_all_levels_again(server, contended):
    async def main():
        async with await server.aio() as ch, await server.aio() as other:
            lock, thief = ch.rlock("mutex"), other.rlock("mutex")
            await lock
            condition = ch.condition("c", lock="mutex")

            async def steal():
                # It waits in line, so it has the lock as soon as the wait gives it up, and for longer than the wait lasts.
                async with thief:
                    await asyncio.sleep(0.06)

            for pause in (0, 0.001, 0.03):
                for levels in (1, 2, 3):
                    for level in range(levels):
                        await (condition, lock)[level % 2].acquire()
                    stealing = asyncio.create_task(steal()) if contended else None
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(pause):
                            await condition.wait()
                    for _ in range(levels):
                        assert await thief.acquire(False) is False
                        await lock.release()
                    if stealing is not None:
                        await stealing
                    who = await ch.who("mutex")
                    assert (who["holders"], who["waiting"]) == ([], []), (pause, levels)

    asyncio.run(main())


def test_a_server_that_does_not_answer_can_be_given_up(server):
    async def main():
        async with await server.aio() as ch:
            d = ch.dict("hits")
            await d.increment("n")
            server.pause()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await d.increment("n")
            server.resume()
            assert await d.increment("n") in (2, 3)

    asyncio.run(main())


def test_calls_that_are_refused_are_told_so_under_gather(server):
    async def main():
        async with await server.aio() as ch:
            await ch.lock("x").acquire()
            results = await asyncio.gather(
                ch.dict("x").get("k"), ch.dict("d")["k"], ch.list("l").pop(), return_exceptions=True
            )
            assert [type(r) for r in results] == [commonhold.WrongKind, KeyError, IndexError]

    asyncio.run(main())


def test_a_wait_that_is_cancelled_before_it_is_sent_leaves_its_lock_as_it_was(server):
    async def main():
        async with await server.aio() as ch:
            condition = ch.condition("c", lock=ch.rlock("mutex"))
            await condition
            task = asyncio.current_task()
            for levels in (1, 2):
                for _ in range(levels):
                    await condition.acquire()
                # In the turn of the loop in which the call is made.
                asyncio.get_running_loop().call_soon(task.cancel)
                with pytest.raises(asyncio.CancelledError):
                    await condition.wait()
                task.uncancel()
                for _ in range(levels):
                    assert await condition.locked()
                    await condition.release()
                assert not await condition.locked(), levels

    asyncio.run(main())
