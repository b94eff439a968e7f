"""Ctrl-C ends a wait, and what is given afterwards goes to others.

Once a call has returned, what it brought is the program's: Python may raise between that and the assignment, as it may
anywhere, so nothing is examined there. What a `with` block takes is the block's from the first step to the last.
"""

import contextlib
import signal
import threading

import pytest
from children import Tick, Ticks, program, until, waiting

TEXT = """
ch = commonhold.connect()
q, lock = ch.queue("q"), ch.lock("l")
for act in [q.get, q.take, lock.acquire] * 7:
    print("waits", flush=True)
    try:
        act()
        print("went on", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    input()
"""


def test_an_interrupted_wait_takes_nothing(server, ch):
    q, lock = ch.queue("q"), ch.lock("l")
    # They are there, so it can be told who waits for them.
    q.put(0)
    assert q.get() == 0
    with program(server, TEXT) as waiter:
        for number in range(7):
            # The lock is taken before the program comes to ask for it.
            with lock:
                for _ in ("get", "take"):
                    assert waiter.line() == "waits"
                    until(lambda: ch.who("q")["waiting_count"] == 1)
                    waiter.ctrl_c()
                    assert waiter.line() == "interrupted"
                    q.put(number)
                    # It may be on its way to the one that was interrupted, which gives it back.
                    assert q.get(timeout=20) == number
                    waiter.say("go on")
                assert waiter.line() == "waits"
                until(lambda: ch.who("l")["waiting_count"] == 1)
                waiter.ctrl_c()
                assert waiter.line() == "interrupted"
            assert lock.acquire(timeout=20), ch.who("l")
            lock.release()
            waiter.say("go on")


# Python ignores, but for a warning, what a handler raises in the callback of a weak reference.
heard_by_nobody = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@heard_by_nobody
@pytest.mark.parametrize("kind", ["lock", "rlock", "rwlock", "condition", "semaphore"])
def test_a_signal_at_any_step_leaves_no_block_s_lock_behind(ch, kind):
    held = ch.semaphore("s", 1) if kind == "semaphore" else getattr(ch, kind)("l")
    is_free = (lambda: held.value() == 1) if kind == "semaphore" else lambda: not held.locked()

    def block():
        with held.write() if kind == "rwlock" else held:
            pass

    with Ticks() as ticks:
        for number in range(120):
            with contextlib.suppress(Tick):
                ticks.arm(0.0001 + number * 1e-5)
                ticks.until_then(block)
            # A release whose reply was not awaited is carried out all the same.
            until(is_free)


@heard_by_nobody
def test_a_signal_in_a_condition_s_wait_leaves_its_block_as_it_should(ch, server):
    c = ch.condition("c")
    with Ticks() as ticks, server.connect() as other:
        theirs = other.condition("c")
        for number in range(60):
            with contextlib.suppress(Tick):
                with c:
                    notifier = threading.Thread(target=lambda: notify(theirs))
                    notifier.start()
                    ticks.arm(0.0005 + number * 1e-4)
                    c.wait()
                ticks.armed = False
            notifier.join()
            until(lambda: not c.locked())


def test_a_handler_may_call_with_the_client_that_waits(ch):
    q, d = ch.queue("q"), ch.dict("d")
    before = signal.signal(signal.SIGALRM, lambda *_: q.put(d.setdefault("n", 1)))
    try:
        for _ in range(5):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            assert q.get(timeout=20) == 1
        # While another thread waits beside.
        beside = threading.Thread(target=ch.event("e").wait)
        beside.start()
        until(lambda: waiting(ch, "e") == 1)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert q.get(timeout=20) == 1
        ch.event("e").set()
        beside.join()
    finally:
        signal.signal(signal.SIGALRM, before)


def notify(condition):
    with condition:
        condition.notify()
