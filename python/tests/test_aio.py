"""The asyncio client itself: connecting, calls at the same time, loops, forks, and servers that die."""

import asyncio
import gc
import inspect
import os
import threading
import time
import warnings

import pytest

import commonhold
from commonhold import aio
from commonhold.aio.conductor import Conductor

from test_processes import fork, wait_for


def test_calls_of_one_moment_travel_together(server, monkeypatch):
    turns = []
    turn = Conductor._turn
    monkeypatch.setattr(Conductor, "_turn", lambda conductor: (turns.append(conductor), turn(conductor)))

    async def main():
        async with await server.aio() as ch:
            d = ch.dict("hits", durability="memory")
            await d.increment("n", 0)
            count = 300
            turns.clear()
            for _ in range(count):
                await d.increment("n")
            assert len(turns) >= count
            turns.clear()
            numbers = await asyncio.gather(*[d.increment("n") for _ in range(10 * count)])
            assert sorted(numbers) == list(range(count + 1, 11 * count + 1))
            assert len(turns) < count, "ten calls a turn, at least"

    asyncio.run(main())


def test_a_thousand_tasks_wait_on_one_client(server):
    async def main():
        async with await server.aio() as ch, await server.aio() as other:
            event = ch.event("go", durability="memory")
            queue = ch.queue("jobs", durability="memory")
            await asyncio.gather(event.open(), queue.open())
            waits = [asyncio.create_task(event.wait()) for _ in range(500)]
            gets = [asyncio.create_task(queue.get()) for _ in range(500)]
            while (await other.who("jobs"))["waiting_count"] < 500 or (await other.who("go"))["waiting_count"] < 500:
                await asyncio.sleep(0.01)
            await other.queue("jobs").put_many(range(500))
            await other.event("go").set()
            assert await asyncio.gather(*waits) == [True] * 500
            assert sorted(await asyncio.gather(*gets)) == list(range(500))

    asyncio.run(main())


def test_there_is_no_thread(server):
    out = server.python(
        """
import asyncio, os
from commonhold import aio

async def main():
    async with await aio.connect() as ch:
        d = ch.dict("hits")
        await asyncio.gather(*[d.increment("n") for _ in range(100)])
        return len(os.listdir("/proc/self/task"))

print(asyncio.run(main()))
"""
    )
    assert out.split() == ["1"]


def test_an_idle_client_takes_hardly_a_turn(server, monkeypatch):
    turns = 0
    turn = Conductor._turn

    def counted(self):
        nonlocal turns
        turns += 1
        turn(self)

    monkeypatch.setattr(Conductor, "_turn", counted)

    async def main():
        async with await server.aio() as ch:
            await ch.counter("n").increment()
            before = turns
            await asyncio.sleep(1)
            # Signs of life and their answers, and an acknowledgement.
            assert 0 < turns - before < 20

    asyncio.run(main())


def test_a_wrong_key_is_told(server, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("chk1_" + "A" * 43)
    with pytest.raises(commonhold.AuthenticationError, match="wrong"):
        asyncio.run(server.aio(key_file=wrong))


def test_an_absent_server_is_told(server, tmp_path):
    with pytest.raises(commonhold.ConnectionLost) as raised:
        asyncio.run(aio.connect(f"unix://{tmp_path}/nobody", key_file=server.key_file))
    assert raised.value.happened is False


def test_a_loop_goes_on_while_a_server_is_waited_for(server, tmp_path):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        with pytest.raises(commonhold.ConnectionLost):
            await aio.connect(f"unix://{tmp_path}/nobody", key_file=server.key_file)
        ticking.cancel()
        assert ticks > 20

    asyncio.run(main())


def test_a_closed_client_makes_no_calls(server):
    async def main():
        ch = await server.aio()
        d = ch.dict("x")
        waiting = asyncio.create_task(ch.queue("jobs").get())
        await asyncio.sleep(0)
        await ch.close()
        await ch.close()
        with pytest.raises(commonhold.Error):
            await waiting
        with pytest.raises(commonhold.Error, match="closed"):
            await d.get("x")

    asyncio.run(main())


def test_a_client_belongs_to_its_loop(server):
    async def use(ch):
        return await ch.dict("x").get("y")

    async def main():
        ch = await server.aio()
        assert await use(ch) is None
        told = []

        def elsewhere():
            with pytest.raises(RuntimeError, match="another event loop"):
                asyncio.run(use(ch))
            told.append(True)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert told
        assert await use(ch) is None
        return ch

    ch = asyncio.run(main())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(use(ch))


def test_threads_have_loops_and_clients_of_their_own(server, ch):
    async def count():
        async with await server.aio() as own:
            d = own.dict("hits", durability="memory")
            await asyncio.gather(*[d.increment("n") for _ in range(200)])

    threads = [threading.Thread(target=asyncio.run, args=(count(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ch.dict("hits", durability="memory")["n"] == 800


def test_loops_come_one_after_another(server):
    async def main():
        async with await server.aio() as ch:
            return await ch.counter("runs", durability="memory").increment()

    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))
    assert [asyncio.run(main()) for _ in range(20)] == list(range(1, 21))
    gc.collect()
    # Fewer, if what another test left behind went meanwhile.
    assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_a_client_that_is_never_closed_warns_of_nothing_and_gives_back(server, ch):
    async def forget():
        own = await server.aio()
        await own.lock("x").acquire()
        await own.dict("d").set("k", 1)

    async def forget_in_a_running_loop():
        await forget()
        gc.collect()
        begin = time.monotonic()
        async with await server.aio() as other:
            while (await other.who("x"))["holders"]:
                await asyncio.sleep(0.01)
        # Without a goodbye it would be held for the grace.
        assert time.monotonic() - begin < 1.5

    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(forget())
        gc.collect()
        assert ch.lock("x").acquire(timeout=1)
        ch.lock("x").release()
        asyncio.run(forget_in_a_running_loop())
        gc.collect()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_program_that_ends_with_an_open_client_is_quiet(server):
    for ending in ("", "asyncio.run(main())", "ch = asyncio.run(main()); ch.x = ch", "os._exit(0)"):
        server.python(
            f"""
import asyncio, os
from commonhold import aio

async def main():
    ch = await aio.connect()
    await ch.dict("d").set("k", 1)
    return ch

kept = asyncio.run(main())
{ending}
""",
            "-X",
            "dev",
        )


def test_a_server_that_is_killed_is_found_again(server):
    async def main():
        async with await server.aio() as ch:
            d = ch.dict("hits")
            assert await d.increment("n") == 1
            waiting = asyncio.create_task(ch.queue("jobs").get())
            await asyncio.sleep(0.05)
            server.kill()
            increment = asyncio.create_task(d.increment("n"))
            await asyncio.sleep(0.05)
            assert not increment.done()
            await asyncio.to_thread(server.start)
            assert await increment == 2
            await ch.queue("jobs").put("item")
            # It is asked again, or told that nobody knows what became of it.
            try:
                assert await waiting == "item"
            except commonhold.ConnectionLost as lost:
                assert lost.happened is None
            assert await d.increment("n") == 3

    asyncio.run(main())


def test_increments_over_restarts_are_counted_once(server):
    async def main():
        async with await server.aio() as ch:
            d = ch.dict("hits")
            done = 0

            async def count():
                nonlocal done
                for _ in range(100):
                    await d.increment("n")
                    done += 1

            counting = [asyncio.create_task(count()) for _ in range(10)]
            for seen in (200, 600):
                while done < seen:
                    await asyncio.sleep(0.005)
                server.kill()
                await asyncio.to_thread(server.start)
            await asyncio.gather(*counting)
            assert await d["n"] == 1000

    asyncio.run(main())


def test_a_forked_child_lets_its_parents_connection_go(server):
    async def main():
        async with await server.aio() as ch:
            d = ch.dict("hits")
            await d.increment("n")

            def sockets():
                links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
                return {os.readlink(link) for link in links if os.path.islink(link)}

            parents = {link for link in sockets() if link.startswith("socket:")}

            async def use():
                await d.increment("n")

            def child():
                assert len(parents & sockets()) < len(parents)
                with pytest.raises(RuntimeError):
                    use().send(None)
                with pytest.raises(RuntimeError, match="another event loop"):
                    asyncio.new_event_loop().run_until_complete(use())

                async def anew():
                    async with await server.aio() as own:
                        assert await own.dict("hits").increment("n") == 2

                asyncio.new_event_loop().run_until_complete(anew())

            with warnings.catch_warnings():
                # The child's loop copies that are never closed.
                warnings.simplefilter("ignore", ResourceWarning)
                wait_for(fork(child))
            assert await d.increment("n") == 3

    asyncio.run(main())


def test_a_child_that_ends_takes_nothing_of_its_parents(server):
    server.python(
        """
import asyncio, os, sys
from commonhold import aio

async def main():
    async with await aio.connect() as ch:
        lock = ch.lock("x")
        await lock.acquire()
        for number in range(3):
            child = os.fork()
            if not child:
                del ch, lock
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert len((await ch.who("x"))["holders"]) == 1
        assert await ch.dict("hits").increment("n") == 1

asyncio.run(main())
"""
    )


def test_a_loop_that_stands_still_loses_what_it_holds_and_hears_of_it(server):
    server.kill()
    server.start("--term", "2s")

    async def main():
        async with await server.aio() as own, await server.aio(heartbeat=False) as calm:
            grant = await own.lock("x").acquire()
            other = await calm.lock("y").acquire()
            assert not grant.lost
            with server.connect() as ch:
                # The loop stands still meanwhile.
                assert ch.lock("x").acquire(timeout=10).previous_owner_died
            assert grant.lost and not other.lost
            with pytest.raises((commonhold.LockLost, commonhold.ConnectionLost)):
                await grant.release()
            await other.release()
            assert await own.dict("d").increment("n") == 1

    asyncio.run(main())


def test_every_method_of_the_blocking_proxies_has_its_counterpart():
    # What asyncio has no word for, or says by `await`, `async for` and `async with`.
    without = {"fenced", "at", "plain", "lane"}
    for name in aio.__all__:
        own, blocking = getattr(aio, name), getattr(commonhold, {"AsyncClient": "Client"}.get(name, name), None)
        if blocking is None or not inspect.isclass(own):
            continue
        missing = {method for method in vars(blocking) if not method.startswith("_")} - set(dir(own)) - without
        assert missing <= {"value"}, (name, missing)
