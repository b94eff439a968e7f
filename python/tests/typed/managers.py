"""What a type checker learns of the managers: a program that only changed its import is understood as before."""

from __future__ import annotations

import array
import multiprocessing
import queue
import threading
from collections.abc import Iterator, MutableMapping, MutableSequence, Sequence
from multiprocessing.pool import Pool as AnyPool
from typing import TYPE_CHECKING, Any, assert_type

import commonhold.multiprocessing as mp
from commonhold.multiprocessing import Manager, Process, managers


def work(counts: MutableMapping[str, int], lock: threading.Lock, jobs: queue.Queue[str]) -> None:
    with lock:
        counts[jobs.get()] += 1
    jobs.task_done()


def typical() -> None:
    with Manager() as manager:
        assert_type(manager, managers.SyncManager)
        counts = manager.dict(a=1)
        lock = manager.Lock()
        jobs: queue.Queue[str] = manager.Queue(10)
        jobs.put("a")
        worker = Process(target=work, args=(counts, lock, jobs))
        assert_type(worker, multiprocessing.Process)
        worker.start()
        worker.join()
        work(counts, lock, jobs)
    manager.shutdown()


def dicts(manager: managers.SyncManager) -> None:
    counts = manager.dict({"a": 1})
    assert_type(counts, managers.DictProxy[str, int])
    assert_type(manager.dict([("a", 1.5)]), managers.DictProxy[str, float])
    assert_type(manager.dict({"a": 1}, b=2), managers.DictProxy[str, int])
    plain: mp.DictProxy[str, int] = manager.dict()
    plain["a"] = 1
    plain["a"] += 1
    assert_type(counts["a"], int)
    assert_type(counts.get("a"), int | None)
    assert_type(counts.get("a", 0), int)
    assert_type(counts.get("a", "none"), int | str)
    assert_type(counts.pop("a"), int)
    assert_type(counts.popitem(), tuple[str, int])
    assert_type(counts.setdefault("a", 1), int)
    assert_type(counts.keys(), list[str])
    assert_type(counts.values(), list[int])
    assert_type(counts.items(), list[tuple[str, int]])
    assert_type(counts.copy(), dict[str, int])
    assert_type(counts | {"b": 2}, dict[str, int])
    assert_type(list(reversed(counts)), list[str])
    assert_type(len(counts), int)
    for key in counts:
        assert_type(key, str)
    counts.update({"b": 2}, c=3)
    counts |= {"b": 2}
    counts.clear()
    inner = manager.dict({"l": manager.list([1])})
    inner["l"].append(2)
    # Mistakes, each of which a checker tells: one that it does not tell is an ignore too many.
    counts["a"] = "text"  # type: ignore[assignment]
    counts[1]  # type: ignore[index]
    counts.keys().isdisjoint([])  # type: ignore[attr-defined]
    manager.dcit()  # type: ignore[attr-defined]


def lists(manager: managers.SyncManager) -> None:
    names = manager.list(["a"])
    assert_type(names, managers.ListProxy[str])
    assert_type(names[0], str)
    assert_type(names[1:], list[str])
    assert_type(names + ["b"], list[str])
    assert_type(names * 2, list[str])
    assert_type(names.pop(), str)
    assert_type(names.copy(), list[str])
    assert_type(reversed(names), Iterator[str])
    assert_type([name for name in names], list[str])
    assert_type(len(names), int)
    names += ["c"]
    names *= 2
    names.sort(key=len, reverse=True)
    names.reverse()
    names.clear()
    names[0:1] = ["a", "b"]
    del names[0]
    as_any: MutableSequence[str] = names
    as_any.append("d")
    names.append(1)  # type: ignore[arg-type]


def others(manager: managers.SyncManager) -> None:
    total = manager.Value("i", 0)
    assert_type(total, managers.ValueProxy[int])
    total.value += 1
    assert_type(total.value, int)
    assert_type(total.get(), int)
    grid = manager.Array("d", [1.5, 2.5])
    assert_type(grid[0], float)
    assert_type(grid[:1], array.array[Any])
    grid[0] += 1.5
    assert_type(len(grid), int)
    as_read: Sequence[float] = grid
    assert_type(as_read[0], float)
    settings = manager.Namespace(x=1)
    assert_type(settings, managers.Namespace)
    settings.y = settings.x + 1
    total.set("text")  # type: ignore[arg-type]
    grid[0] = "text"  # type: ignore[call-overload]
    grid[0:1] = [1.5]  # type: ignore[call-overload]


def waiting(manager: managers.SyncManager) -> None:
    lock, again = manager.Lock(), manager.RLock()
    assert_type(lock, threading.Lock)
    with lock, again:
        pass
    assert_type(lock.acquire(timeout=1), bool)
    ready = manager.Condition(lock)
    with ready:
        ready.notify_all()
        assert_type(ready.wait_for(lambda: "yes", 1), str)
    with manager.Semaphore(2), manager.BoundedSemaphore():
        pass
    assert_type(manager.Event().wait(1), bool)
    assert_type(manager.Barrier(2, timeout=5).wait(), int)
    manager.JoinableQueue().join()
    # What the manager refuses, a checker tells as well.
    manager.Barrier(2, print)  # type: ignore[arg-type]
    manager.Barrier()  # type: ignore[call-arg]


def pools(manager: managers.SyncManager) -> AnyPool:
    # Nothing is returned, so anything is: the rest would be out of reach.
    return manager.Pool(2)


class CounterProxy(mp.BaseProxy):
    _exposed_ = ("get", "update")

    def get(self, key: str) -> int | None:
        found: int | None = self._callmethod("get", (key,))
        return found


class QueueManager(mp.BaseManager):
    if TYPE_CHECKING:

        def get_jobs(self) -> queue.Queue[str]: ...
        def Counter(self) -> CounterProxy: ...


def registering() -> None:
    jobs: queue.Queue[str] = queue.Queue()
    QueueManager.register("get_jobs", callable=lambda: jobs)
    QueueManager.register("Counter", dict, CounterProxy, exposed=("get", "update"))
    managers.SyncManager.register("Plain", dict, managers.DictProxy)
    managers.SyncManager.register("Auto", dict, mp.AutoProxy, create_method=False)
    managers.SyncManager.register("Made", dict, mp.MakeProxyType("MadeProxy", ["get"]))
    manager = QueueManager(address=("127.0.0.1", 0), authkey=b"key", shutdown_timeout=2)
    manager.start(print, ("started",))
    assert_type(manager.address, str | tuple[str, int] | None)
    assert_type(manager.get_jobs().get(), str)
    assert_type(manager.Counter().get("a"), int | None)
    with QueueManager("/tmp/manager") as entered:
        assert_type(entered, QueueManager)
    manager.connect()
    manager.join(5)
    QueueManager.register("x", proxytype=dict)  # type: ignore[arg-type]
    QueueManager(serializer="xmlrpclib")  # type: ignore[arg-type]
    manager.get_job()  # type: ignore[attr-defined]
    try:
        manager.get_jobs()
    except (mp.RemoteError, mp.AuthenticationError, mp.ProcessError) as error:
        assert_type(error, mp.RemoteError | mp.AuthenticationError | mp.ProcessError)


def serving() -> None:
    QueueManager(("", 50000), b"key").get_server().serve_forever()


def own_ones() -> None:
    """What is not of the managers is multiprocessing's own."""
    assert_type(mp.cpu_count(), int)
    with mp.Pool(2) as pool:
        assert_type(pool, AnyPool)
    mp.get_context("spawn").Process(target=print).start()
    assert_type(mp.current_process().name, str)
    mp.cpu_cuont()  # type: ignore[attr-defined]
