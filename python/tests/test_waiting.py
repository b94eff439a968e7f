"""Semaphores, events, barriers and latches."""

import threading

import pytest
from children import Thread, program, until, waiting

import commonhold


def test_a_semaphore_counts_its_permits(ch):
    permits = ch.semaphore("s", 2)
    with permits as entered:
        assert entered is True
        assert permits.acquire()
        assert permits.value() == 0
        assert permits.acquire(False) is False
        assert permits.acquire(timeout=0.01) is False
        # As threading does, unlike a lock.
        assert permits.acquire(timeout=-1) is False
        other = Thread(permits.acquire)
        until(lambda: waiting(ch, "s") == 1)
        permits.release()
        assert other.result() is True
    permits.release()
    assert permits.value() == 2
    assert permits.acquire(n=2)
    permits.release(2)
    permits.release()
    assert permits.value() == 3
    with pytest.raises(ValueError, match="^can't specify timeout for non-blocking acquire$"):
        permits.acquire(False, 1)


def test_a_bounded_semaphore_has_its_bound(ch):
    permits = ch.bounded_semaphore("b", 1)
    with pytest.raises(ValueError, match="^Semaphore released too many times$"):
        permits.release()
    with permits:
        pass
    assert permits.value() == 1


def test_what_needs_a_size_says_so(ch):
    for made in (ch.semaphore("s"), ch.bounded_semaphore("b"), ch.barrier("r"), ch.latch("l")):
        with pytest.raises(ValueError, match="missing"):
            made._call("acquire" if "semaphore" in made.kind else "wait")
    with pytest.raises(ValueError, match="-1"):
        ch.semaphore("s", -1).acquire()


def test_permits_of_a_killed_process_come_back(server, ch):
    permits = ch.semaphore("s", 1)
    permits.acquire()
    permits.release()
    with program(server, "s = commonhold.connect().semaphore('s')\ns.acquire()\nprint('held', flush=True)\ninput()") as holder:
        assert holder.line() == "held"
        assert permits.acquire(False) is False
        holder.kill()
        assert permits.acquire(timeout=20)


def test_an_interrupted_acquire_takes_no_permit(server, ch):
    text = """
s = commonhold.connect().semaphore("s")
print("ready", flush=True)
try:
    s.acquire()
except KeyboardInterrupt:
    print("interrupted", flush=True)
input()
"""
    permits = ch.semaphore("s", 1)
    with permits, program(server, text) as waiter:
        assert waiter.line() == "ready"
        until(lambda: waiting(ch, "s") == 1)
        waiter.ctrl_c()
        assert waiter.line() == "interrupted"
        permits.release()
        assert permits.acquire(timeout=20)


def test_an_event_lets_all_go(ch):
    event = ch.event("e")
    assert not event.is_set() and event.wait(0) is False and event.wait(-1) is False and event.wait(0.01) is False
    threads = [Thread(event.wait) for _ in range(3)]
    until(lambda: waiting(ch, "e") == 3)
    event.set()
    assert [thread.result() for thread in threads] == [True] * 3
    assert event.is_set() and event.wait(0)
    event.clear()
    assert not event.is_set()


def test_a_barrier_lets_all_parties_go_at_once(ch):
    barrier = ch.barrier("b", 3)
    for _ in range(2):
        threads = [Thread(barrier.wait) for _ in range(2)]
        until(lambda: barrier.n_waiting == 2)
        places = [barrier.wait()] + [thread.result() for thread in threads]
        assert sorted(places) == [0, 1, 2]
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)


@pytest.mark.parametrize("how", ["abort", "reset", "time-out"])
def test_a_broken_barrier_tells_all(ch, how):
    barrier = ch.barrier("b", 3)
    thread = Thread(barrier.wait)
    until(lambda: barrier.n_waiting == 1)
    if how == "time-out":
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait(0.01)
    else:
        getattr(barrier, how)()
    with pytest.raises(threading.BrokenBarrierError):
        thread.result()
    assert barrier.broken == (how != "reset")
    if how != "reset":
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()
        barrier.reset()
    assert not barrier.broken


def test_a_barrier_is_broken_by_a_negative_time_out(ch):
    barrier = ch.barrier("b", 2)
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(-1)


def test_a_latch_falls_once(ch):
    latch = ch.latch("l", 3)
    assert latch.get() == 3 and latch.wait(0) is False
    thread = Thread(latch.wait)
    until(lambda: waiting(ch, "l") == 1)
    assert latch.count_down() == 2
    assert latch.count_down(5) == 0
    assert thread.result() is True and latch.wait()


def test_deleting_what_is_waited_for_ends_the_wait(ch):
    event = ch.event("e")
    event.set()
    event.clear()
    thread = Thread(event.wait)
    until(lambda: waiting(ch, "e") == 1)
    ch.delete("e")
    with pytest.raises(commonhold.ObjectGone):
        thread.result()
