"""Proxies of locks, queues and the like have the manners of CPython's, down to the messages of what they refuse."""

import queue
import threading
import time

import pytest

from commonhold.multiprocessing import RemoteError


def refused(kind, message=None):
    """Raises the very class, and the very words."""
    return pytest.raises(kind, check=lambda error: type(error) is kind and message in (None, str(error)))


def in_thread(act):
    """What a function returns, or raises, in another thread."""
    found = []

    def run():
        try:
            found.append(act())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    return found[0]


def test_a_lock_has_no_owner(manager):
    lock = manager.Lock()
    with lock as entered:
        assert entered is True
        assert lock.acquire(False) is False and lock.acquire(timeout=0.01) is False
    assert in_thread(lock.acquire) is True
    lock.release()
    with refused(RuntimeError, "release unlocked lock"):
        lock.release()
    with refused(ValueError, "can't specify a timeout for a non-blocking call"):
        lock.acquire(False, 1)
    # As this Python says it.
    with pytest.raises(ValueError) as plain:
        threading.Lock().acquire(True, -2)
    with refused(ValueError, str(plain.value)):
        lock.acquire(True, -2)


def test_an_rlock_belongs_to_a_thread(manager):
    lock = manager.RLock()
    assert lock.acquire() and lock.acquire()
    assert in_thread(lambda: lock.acquire(False)) is False
    stolen = in_thread(lock.release)
    assert (type(stolen), str(stolen)) == (RuntimeError, "cannot release un-acquired lock")
    lock.release()
    lock.release()
    with refused(RuntimeError, "cannot release un-acquired lock"):
        lock.release()


def test_semaphores_count(manager):
    semaphore = manager.BoundedSemaphore(2)
    assert semaphore.acquire() and semaphore.acquire(True, 1)
    assert semaphore.acquire(False) is False and semaphore.acquire(timeout=0.01) is False
    semaphore.release()
    semaphore.release()
    with refused(ValueError, "Semaphore released too many times"):
        semaphore.release()
    with refused(ValueError, "can't specify timeout for non-blocking acquire"):
        semaphore.acquire(False, 1)
    with pytest.raises(TypeError):
        semaphore.release(2)
    with pytest.raises(RemoteError, match="semaphore initial value must be >= 0"):
        manager.Semaphore(-1)
    unbounded = manager.Semaphore(0)
    unbounded.release()
    assert unbounded.acquire(False)


@pytest.mark.parametrize("shared", [None, "Lock", "RLock"])
def test_a_condition_wakes_who_waits(manager, shared):
    condition = manager.Condition(getattr(manager, shared)()) if shared else manager.Condition()
    found = manager.list()

    def wait():
        with condition:
            return condition.wait_for(lambda: len(found) == 1, 30)

    waiter = threading.Thread(target=wait)
    waiter.start()
    with condition:
        found.append(1)
        condition.notify_all()
    waiter.join(30)
    assert not waiter.is_alive()
    with condition:
        assert condition.wait(0) is False
        assert condition.wait_for(lambda: False, 0.01) is False
        condition.notify(3)


def test_a_condition_is_used_under_its_lock(manager):
    condition = manager.Condition()
    with refused(RuntimeError, "cannot notify on un-acquired lock"):
        condition.notify()
    with refused(RuntimeError, "cannot wait on un-acquired lock"):
        condition.wait()


def test_an_event_is_waited_for(manager):
    event = manager.Event()
    assert event.wait(0.0) is False and not event.is_set()
    event.set()
    assert event.wait() is True and event.is_set()
    event.clear()
    assert event.wait(0.01) is False


def test_a_barrier_breaks_and_is_reset(manager):
    barrier = manager.Barrier(2, timeout=0.01)
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (2, 0, False)
    for _ in range(2):
        with refused(threading.BrokenBarrierError):
            barrier.wait()
    assert barrier.broken
    barrier.reset()
    other = threading.Thread(target=barrier.wait, args=(30,))
    other.start()
    assert barrier.wait(30) in (0, 1)
    other.join(30)
    with pytest.raises(RemoteError, match="parties must be > 0"):
        manager.Barrier(0)
    with pytest.raises(RemoteError, match="let the caller run it for whom wait"):
        manager.Barrier(1, action=print)


def test_a_queue_is_like_pythons(manager):
    jobs = manager.Queue(1)
    assert repr(jobs).startswith("<AutoProxy[Queue] object, typeid 'Queue' at 0x")
    jobs.put("a")
    assert (jobs.qsize(), jobs.empty(), jobs.full()) == (1, False, True)
    for act in (lambda: jobs.put("b", timeout=0.01), lambda: jobs.put_nowait("b"), lambda: jobs.put("b", False, -1)):
        with refused(queue.Full):
            act()
    assert jobs.get() == "a"
    for act in (lambda: jobs.get(timeout=0.01), jobs.get_nowait, lambda: jobs.get(False, -1)):
        with refused(queue.Empty):
            act()
    with refused(ValueError, "'timeout' must be a non-negative number"):
        jobs.get(True, -1)
    jobs.task_done()
    jobs.join()
    with refused(ValueError, "task_done() called too many times"):
        jobs.task_done()
    with pytest.raises(TypeError, match="not iterable"):
        iter(jobs)
    assert manager.Queue(-1).full() is False


def test_a_queue_is_joined_when_all_is_done(manager):
    jobs = manager.JoinableQueue()
    for number in range(3):
        jobs.put(number)
    joined = threading.Thread(target=jobs.join)
    joined.start()
    for number in range(3):
        assert jobs.get() == number
        assert joined.is_alive()
        jobs.task_done()
    joined.join(30)
    assert not joined.is_alive()


def test_what_is_waited_for_takes_no_longer(manager):
    began = time.monotonic()
    assert manager.Event().wait(0.1) is False
    assert 0.1 <= time.monotonic() - began < 5


def test_a_barrier_that_is_stored_keeps_its_time_out(manager):
    d = manager.dict(b=manager.Barrier(2, timeout=0.01), plain=manager.Barrier(1))
    with pytest.raises(threading.BrokenBarrierError):
        d["b"].wait()
    assert d["plain"].wait() == 0
    semaphore = manager.Semaphore(True)
    assert not semaphore.locked() and semaphore.acquire(False) and semaphore.locked()
