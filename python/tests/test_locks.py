"""Locks, their grants, and who loses them."""

import threading
import time

import pytest
from children import Thread, program, until, waiting

import commonhold


def test_a_block_holds_the_lock(ch):
    lock = ch.lock("l")
    with lock as grant:
        assert lock.locked()
        assert (grant.previous_owner_died, grant.previous_note, grant.lost) == (False, None, False)
        first = grant.token
        grant.note("step 1")
        assert ch.who("l")["holders"][0]["note"] == "step 1"
        assert Thread(lock.acquire, False).result() is False
    assert not lock.locked()
    with lock as grant:
        assert grant.token > first
    with pytest.raises(RuntimeError, match="^release unlocked lock$"):
        lock.release()


def test_arguments_are_those_of_threading(ch):
    lock = ch.lock("l")
    for arguments in ((False, 1), (True, -2)):
        with pytest.raises(ValueError) as expected:
            threading.Lock().acquire(*arguments)
        with pytest.raises(ValueError) as raised:
            lock.acquire(*arguments)
        assert str(raised.value) == str(expected.value)
    assert lock.acquire(True, -1)
    assert Thread(lock.acquire, True, 0).result() is False
    assert Thread(lock.acquire, True, 0.01).result() is False
    other = Thread(lock.acquire, True, threading.TIMEOUT_MAX)
    until(lambda: waiting(ch, "l") == 1)
    lock.release()
    assert other.result()


def test_threads_share_a_proxy(ch):
    """Two threads are in blocks of one proxy, one of them by the other's leave: each leaves its own."""
    rw = ch.rwlock("rw")
    lock = ch.lock("l")
    count = 0
    inside = []

    def work():
        nonlocal count
        for _ in range(20):
            with rw.read(), lock as grant:
                inside.append(grant.token)
                before = count
                time.sleep(0)
                count = before + 1

    threads = [Thread(work) for _ in range(4)]
    for thread in threads:
        thread.result()
    assert count == 80
    assert len(set(inside)) == 80 and sorted(inside) == inside
    assert not lock.locked() and rw.readers() == 0


def test_blocks_of_threads_are_left_in_any_order(ch):
    # Both threads are in a block of one proxy at once only if the lock was lost.
    lock = ch.lock("l")
    entered, left = threading.Event(), threading.Event()

    def loser():
        with lock:
            entered.set()
            left.wait(20)

    first = Thread(loser)
    entered.wait(20)
    assert lock.force_release()
    with lock as grant:
        left.set()
        with pytest.raises(commonhold.LockLost):
            first.result()
        assert lock.locked() and not grant.lost
    assert not lock.locked()


def test_a_lost_lock_is_told_unless_the_block_raised(ch):
    lock = ch.lock("l")
    with pytest.raises(commonhold.LockLost):
        with lock:
            lock.force_release()
    with pytest.raises(ZeroDivisionError):
        with lock:
            lock.force_release()
            1 / 0
    with pytest.raises(ZeroDivisionError):
        with ch.rwlock("rw").write():
            ch.rwlock("rw").force_release()
            1 / 0


def test_a_time_out_names_the_holder(server, ch):
    with server.connect(name="worker-3") as other:
        with other.lock("l", note="step 3"):
            with pytest.raises(commonhold.LockTimeout, match="worker-3") as raised:
                with ch.lock("l", wait=0.01):
                    pass
            assert isinstance(raised.value, TimeoutError)


def test_an_rlock_is_taken_again(ch):
    lock = ch.rlock("r")
    with lock as outer, lock as inner:
        assert outer.token == inner.token
        assert lock.acquire()
        assert Thread(lock.acquire, False).result() is False
        lock.release()
    assert not lock.locked()
    with pytest.raises(RuntimeError, match="^cannot release un-acquired lock$"):
        lock.release()
    with lock, pytest.raises(RuntimeError):
        Thread(lock.release).result()


def test_a_lease_ends(ch):
    lock = ch.lock("l", lease=0.05)
    with pytest.raises(commonhold.LockLost):
        with lock as grant:
            until(lambda: not lock.locked())
            with ch.lock("l") as next_one:
                assert next_one.previous_end == "expired"
                assert not next_one.previous_owner_died
                with pytest.raises(commonhold.Refused):
                    grant.extend(1)


def test_fenced_writes_are_refused_when_the_lock_is_lost(ch):
    lock, d = ch.lock("l"), ch.dict("d")
    with pytest.raises(commonhold.LockLost):
        with lock as grant:
            fenced = d.fenced(grant)
            fenced["x"] = 1
            lock.force_release()
            with pytest.raises(commonhold.FencedOut):
                fenced["x"] = 2
    assert d["x"] == 1


def test_a_fenced_lock_keeps_its_options(ch):
    outer, inner = ch.lock("outer"), ch.lock("inner", wait=0.01)
    with outer as grant, ch.lock("inner"):
        with pytest.raises(commonhold.LockTimeout):
            Thread(inner.fenced(grant).__enter__).result()


def test_readers_share_and_writers_do_not(ch):
    rw = ch.rwlock("rw")

    def read():
        with rw.read(wait=5):
            return rw.readers()

    with rw.read():
        assert Thread(read).result() == 2
        assert Thread(rw.acquire_write, False).result() is False
    with rw.write() as grant:
        assert Thread(rw.acquire_read, False).result() is False
        assert grant.fence[1] == grant.token
        with pytest.raises(commonhold.LockTimeout):
            Thread(lambda: rw.read(wait=0.01).__enter__()).result()
    with pytest.raises(TypeError):
        with rw:
            pass


def test_the_lock_of_a_killed_process_is_freed_and_the_next_is_told(server, ch):
    text = "l = commonhold.connect().lock('l', note='half way')\nl.acquire(note='half way')\nprint('held', flush=True)\ninput()"
    with program(server, text) as holder:
        assert holder.line() == "held"
        lock = ch.lock("l")
        assert lock.acquire(False) is False
        holder.kill()
        with ch.lock("l", wait=20) as grant:
            assert grant.previous_owner_died
            assert grant.previous_note == "half way"


def test_what_is_kept_on_exit_is_kept(server, ch):
    server.python("import commonhold\ncommonhold.connect().lock('k', on_exit='keep').acquire()")
    assert ch.lock("k").locked()
    server.python("import commonhold\ncommonhold.connect().lock('l').acquire()")
    assert not ch.lock("l").locked()


def test_an_interrupted_acquire_leaves_no_lock_held(server, ch):
    text = """
lock = commonhold.connect().lock("l")
print("ready", flush=True)
try:
    lock.acquire()
except KeyboardInterrupt:
    print("interrupted", flush=True)
input()
"""
    lock = ch.lock("l")
    with program(server, text) as waiter:
        lock.acquire()
        assert waiter.line() == "ready"
        until(lambda: waiting(ch, "l") == 1)
        waiter.ctrl_c()
        assert waiter.line() == "interrupted"
        until(lambda: waiting(ch, "l") == 0)
        lock.release()
        # Whoever asked while the other waited would have been before this one.
        assert lock.acquire(timeout=20)
        lock.release()
        assert not lock.locked()


def test_a_condition_wakes_who_waits(ch):
    condition = ch.condition("c")
    items = []

    def consume():
        with condition as grant:
            before = grant.token
            while not items:
                assert condition.wait(20)
            assert grant.token != before and not grant.lost
            grant.note("still mine")
            return items.pop()

    thread = Thread(consume)
    until(lambda: condition.waiting() == 1)
    with condition:
        items.append(1)
        condition.notify()
    assert thread.result() == 1
    assert not condition.locked()


def test_a_condition_shares_a_lock(ch):
    lock = ch.lock("l")
    first, second = ch.condition("one", lock), ch.condition("two", "l")

    def wait(condition):
        with lock as grant:
            assert condition.wait(20)
            return grant.lost

    threads = [Thread(wait, first), Thread(wait, second)]
    until(lambda: first.waiting() == second.waiting() == 1)
    for condition in (first, second):
        with lock:
            condition.notify_all()
    assert [thread.result() for thread in threads] == [False, False]
    assert not lock.locked()


def test_all_levels_are_given_up_and_taken_again(ch):
    condition = ch.condition("c")

    def wait():
        with condition as outer, condition as inner:
            assert condition.wait(20)
            return outer.token == inner.token

    thread = Thread(wait)
    until(lambda: condition.waiting() == 1)
    with condition:
        condition.notify_all()
    assert thread.result()
    assert not condition.locked()


def test_waits_end_by_their_time_outs(ch):
    condition = ch.condition("c")
    with condition:
        assert condition.wait(0) is False
        assert condition.wait(-1) is False
        assert condition.wait(0.01) is False
        assert condition.wait_for(lambda: False, 0.01) is False
        assert condition.wait_for(lambda: "yes") == "yes"
        assert condition.wait_for(lambda: 0, -1) == 0
        asked = []
        assert condition.wait_for(lambda: asked.append(1) or len(asked) == 2, 0.01)
    for act, words in ((condition.wait, "cannot wait"), (condition.notify, "cannot notify"), (condition.notify_all, "cannot notify")):
        with pytest.raises(RuntimeError, match=f"^{words} on un-acquired lock$"):
            act()


def test_a_condition_whose_block_raises_says_what_was_raised(ch):
    condition = ch.condition("c")
    with pytest.raises(ZeroDivisionError):
        with condition:
            condition.wait(0)
            1 / 0
    assert not condition.locked()
    with pytest.raises(ZeroDivisionError):
        with condition:
            condition.force_release()
            1 / 0
    with pytest.raises(commonhold.LockLost):
        with condition:
            condition.force_release()


def test_an_interrupted_wait_leaves_no_lock_held(server, ch):
    text = """
c = commonhold.connect().condition("c")
try:
    with c:
        print("ready", flush=True)
        c.wait()
except KeyboardInterrupt:
    print("interrupted", flush=True)
input()
"""
    condition = ch.condition("c")
    with program(server, text) as waiter:
        assert waiter.line() == "ready"
        until(lambda: condition.waiting() == 1)
        waiter.ctrl_c()
        assert waiter.line() == "interrupted"
        assert condition.acquire(timeout=20)
        condition.notify()
        condition.release()
