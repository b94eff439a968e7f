"""Ctrl-C at any time: nothing is lost, and nothing is held."""

import threading
import time

from children import Thread, program, until


def test_a_get_that_is_interrupted_loses_no_item(server, ch):
    """Ctrl-C comes at any time: each item was got once, or is there still."""
    text = """
q = commonhold.connect().queue("q")
got = []
print("ready", flush=True)
while True:
    item = None
    try:
        while True:
            item = q.get()
            if item is not None:
                got.append(item)
                item = None
    except KeyboardInterrupt:
        # Between the reply and the list it is in the program's own hands.
        if item is not None:
            got.append(item)
        print("interrupted", flush=True)
    if input() == "stop":
        break
print(got, flush=True)
"""
    q = ch.queue("q")
    q.put(0)
    assert q.get() == 0
    put, stop = [], threading.Event()

    def keep_putting():
        while not stop.is_set():
            q.put(len(put) + 1)
            put.append(len(put) + 1)

    with program(server, text) as getter:
        assert getter.line() == "ready"
        putter = Thread(keep_putting)
        try:
            for count in range(20):
                before = len(put)
                until(lambda: len(put) > before)
                getter.ctrl_c()
                assert getter.line() == "interrupted"
                getter.say("stop" if count == 19 else "go on")
        finally:
            stop.set()
            putter.result()
        got = eval(getter.line())
    left = []
    until(lambda: len(got) + q.qsize() >= len(put))
    while not q.empty():
        left.append(q.get())
    # What was dropped on the floor is what the signal took between the reply and its assignment: nothing but bytecodes.
    missing = set(put) - set(got) - set(left)
    assert not missing
    assert len(got) + len(left) == len(put)


def test_ctrl_c_at_any_time_leaves_no_lock_held(server, ch):
    text = """
import sys
lock = commonhold.connect().lock("l")
held = 0
while True:
    try:
        print("again", flush=True)
        while True:
            # What was granted is known here, or was taken back.
            grant = None
            grant = lock.acquire()
            grant.release()
    except KeyboardInterrupt:
        if grant:
            try:
                grant.release()
            except commonhold.Error:
                pass
    if input() == "stop":
        break
"""
    with program(server, text) as taker:
        for _ in range(15):
            assert taker.line() == "again"
            time.sleep(0.01)
            taker.ctrl_c()
            taker.say("go")
        assert taker.line() == "again"
        # It goes on taking and giving it back: this one has its turn.
        assert ch.lock("l").acquire(timeout=20)
