"""What users of `multiprocessing.Manager` complain of: updates that are lost, and methods that are not there."""

import asyncio
import collections.abc
import multiprocessing
import os
import queue
import sys
import threading

from sides import THEIRS, both, found, outcome, patience, until

import commonhold
from commonhold import aio

ROUNDS, PROCESSES, TIMES = 20, 4, 200


def add(d, value, begin):
    begin.wait()
    for _ in range(TIMES):
        d["n"] += 1
        value.value += 1


def increments(module):
    """What is missing when several processes count: in a dict, and in a value. Tried until something is."""
    with module.SyncManager() as manager:
        for _ in range(ROUNDS if module.__name__ == THEIRS else 1):
            d, value, begin = manager.dict(n=0), manager.Value("i", 0), multiprocessing.Barrier(PROCESSES)
            counters = [multiprocessing.Process(target=add, args=(d, value, begin)) for _ in range(PROCESSES)]
            for counter in counters:
                counter.start()
            for counter in counters:
                counter.join()
            missing = [PROCESSES * TIMES - d["n"], PROCESSES * TIMES - value.value]
            if all(missing):
                break
        return missing


def test_no_increment_is_lost():
    theirs, ours = both(increments)
    assert all(theirs)
    assert ours == [0, 0]


def change_nested(shared):
    """What is in a dict after what was read from it was changed."""
    d = shared.dict()
    d["l"] = []
    d["l"].append(1)
    d["deep"] = {"er": [1]}
    d["deep"]["er"][0] += 1
    return [d["l"], d["deep"]]


def nested(module):
    if module.__name__ == "commonhold":
        with commonhold.connect() as ch:
            return change_nested(ch)
    with module.SyncManager() as manager:
        return change_nested(manager)


def test_changes_of_nested_containers_are_seen(server):
    """Managers keep to plain copies, as their tests demand: the package's own client writes through."""
    assert found(nested, THEIRS) == [[], {"er": [1]}]
    assert found(nested, "commonhold", **server.environment) == [[1], {"er": [2]}]


def extended(module):
    """A list is extended by itself."""
    with module.SyncManager() as manager:
        l = manager.list([1, 2])
        thread = threading.Thread(target=l.extend, args=(l,), daemon=True)
        thread.start()
        assert until(lambda: len(l) > 1000 or not thread.is_alive(), 30)
        if thread.is_alive():
            manager._process.kill()
            return "it grows"
        return l[:]


def test_a_list_is_extended_by_itself():
    assert both(extended) == ("it grows", [1, 2, 1, 2])


def condition_of_lock(module):
    """A condition of an RLock that is shared, too."""
    with module.SyncManager() as manager:
        lock = manager.RLock()

        def use():
            condition = manager.Condition(lock)
            with lock:
                condition.notify()
                return condition.wait(0)

        return outcome(use)


def test_a_condition_uses_a_shared_rlock():
    theirs, ours = both(condition_of_lock)
    assert theirs in ("AttributeError", "RemoteError", "RuntimeError", "TypeError")
    assert ours is False


def methods(module):
    """What proxies of a dict and a list can do of what dicts and lists can."""
    with module.SyncManager() as manager:
        d, l = manager.dict(a=1), manager.list([1])
        return {
            "copy": outcome(lambda: l.copy()),
            "clear": outcome(lambda: (l.clear(), l[:])),
            "or": outcome(lambda: d | {"b": 2}),
            "ror": outcome(lambda: {"b": 2} | d),
            "reversed": outcome(lambda: [*reversed(d)]),
            "fromkeys": outcome(lambda: d.fromkeys(["x"], 1)),
            "mapping": isinstance(d, collections.abc.MutableMapping),
            "sequence": isinstance(l, collections.abc.MutableSequence),
            "locked": outcome(lambda: manager.Lock().locked()),
        }


def test_the_methods_of_dicts_and_lists_are_there():
    theirs, ours = both(methods)
    assert ours == {
        "copy": [1],
        "clear": [None, []],
        "or": {"a": 1, "b": 2},
        "ror": {"b": 2, "a": 1},
        "reversed": ["a"],
        "fromkeys": {"x": 1},
        "mapping": True,
        "sequence": True,
        "locked": False,
    }
    if sys.version_info < (3, 14):
        # 3.14 has them.
        assert theirs["copy"] == theirs["clear"] == theirs["fromkeys"] == theirs["locked"] == "AttributeError"
        assert theirs["or"] == theirs["ror"] == "TypeError"


def their_loop(module):
    """A coroutine gets what another one puts."""

    async def run():
        with module.SyncManager() as manager:
            jobs = manager.Queue()

            async def get():
                return jobs.get(timeout=patience(module))

            async def put():
                jobs.put("item")

            return (await asyncio.gather(get(), put(), return_exceptions=True))[0]

    got = asyncio.run(run())
    return "nothing" if isinstance(got, queue.Empty) else got


def our_loop(_module):
    async def run():
        async with await aio.connect() as ch:
            jobs = ch.queue("jobs")
            return (await asyncio.gather(jobs.get(timeout=30), jobs.put("item")))[0]

    return asyncio.run(run())


def test_waiting_blocks_no_event_loop(server):
    assert found(their_loop, THEIRS) == "nothing", "who waits keeps the others from running"
    assert found(our_loop, "commonhold.aio", **server.environment) == "item"


def note(path):
    """What a pickle of a stranger may call."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")
    return "harmless"


class Stranger:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return note, (self.path,)


def unpickled(module):
    """Who runs what a stored pickle calls."""
    path = os.path.abspath(f"{module.__name__}.ran")
    with module.SyncManager() as manager:
        d, l = manager.dict(), manager.list()
        d["x"] = Stranger(path)
        l.append(Stranger(path))
        in_store = len(d), len(l)
        if not os.path.exists(path):
            return "nobody"
        with open(path) as file:
            return "the manager" if {*map(int, file)} == {manager._process.pid} and in_store == (1, 1) else "somebody"


def test_the_server_never_unpickles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert both(unpickled) == ("the manager", "nobody")
