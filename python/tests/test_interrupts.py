"""Ctrl-C ends a wait, and what is given afterwards goes to others.

Once a call has returned, what it brought is the program's: Python may raise between that and the assignment, as it may
anywhere, so nothing is examined there.
"""

from children import program, until

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
