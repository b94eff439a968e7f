"""Queues against the standard library's, and items that are taken."""

import queue
import random

import pytest
from children import Thread, program, until, waiting

import commonhold


def outcome(act, *arguments):
    try:
        return act(*arguments)
    except (queue.Empty, queue.Full, ValueError) as error:
        return next(kind for kind in (queue.Empty, queue.Full, ValueError) if isinstance(error, kind)), (
            str(error) if isinstance(error, ValueError) else ""
        )


@pytest.mark.parametrize("lifo", [False, True])
def test_random_programs_do_what_they_do_with_a_queue(ch, lifo):
    for number in range(40):
        chance = random.Random(f"{lifo} {number}")
        size = chance.choice([0, 1, 3])
        ours = ch.queue(f"q{number}", size, lifo=lifo, durability="memory")
        theirs = (queue.LifoQueue if lifo else queue.Queue)(size)
        done = []
        for step in range(40):
            name = chance.choice(["put_nowait", "put_nowait", "get_nowait", "qsize", "empty", "full", "task_done"])
            arguments = (step,) if name == "put_nowait" else ()
            expected = outcome(getattr(theirs, name), *arguments)
            done.append((name, arguments))
            assert outcome(getattr(ours, name), *arguments) == expected, (number, done)
            assert ours.unfinished() == theirs.unfinished_tasks


def test_arguments_are_those_of_queue(ch):
    q = ch.queue("q", 1)
    for act in (q.get, lambda **options: q.put(1, **options)):
        with pytest.raises(ValueError, match="^'timeout' must be a non-negative number$"):
            act(timeout=-1)
    with pytest.raises(queue.Empty):
        q.get(False, -1)
    with pytest.raises(queue.Empty):
        q.get(timeout=0.01)
    q.put("x", timeout=1)
    with pytest.raises(queue.Full):
        q.put("y", timeout=0.01)
    assert q and len(q) == 1 and q.full() and not q.empty()
    assert q.get(True, None) == "x"


def test_a_get_waits_for_a_put(ch):
    q = ch.queue("q", 1)
    getter = Thread(q.get)
    until(lambda: waiting(ch, "q") == 1)
    q.put("x")
    assert getter.result() == "x"
    q.put(1)
    putter = Thread(q.put, 2)
    until(lambda: waiting(ch, "q") == 1)
    assert (q.get(), q.get()) == (1, 2)
    putter.result()
    for _ in range(3):
        q.task_done()
    q.join()


def test_many_go_at_once(ch):
    q = ch.queue("q")
    q.put_many(range(10))
    assert q.peek(3) == [0, 1, 2]
    assert q.get_many(4) == [0, 1, 2, 3]
    assert q.get_many(100) == list(range(4, 10))
    with pytest.raises(queue.Empty):
        q.get_many(1, block=False)


def test_join_waits_until_all_is_done(ch):
    q = ch.queue("q")
    q.put(1)
    joiner = Thread(q.join)
    until(lambda: waiting(ch, "q") == 1)
    q.get()
    q.task_done()
    joiner.result()
    with pytest.raises(ValueError, match=r"^task_done\(\) called too many times$"):
        q.task_done()


def test_a_queue_that_was_shut_down_is_emptied_and_refuses(ch):
    q = ch.queue("q")
    q.put(1)
    q.shutdown()
    with pytest.raises(commonhold.ShutDown):
        q.put(2)
    assert q.get() == 1
    with pytest.raises(commonhold.ShutDown):
        q.get()
    with pytest.raises(commonhold.ShutDown):
        q.take()


def test_a_job_is_done_or_goes_back(ch):
    q = ch.queue("q", dead_after=2)
    q.put("x")
    with pytest.raises(ZeroDivisionError):
        with q.take() as job:
            assert (job.value, job.deliveries) == ("x", 1)
            assert q.empty() and q.unfinished() == 1
            1 / 0
    assert q.peek() == ["x"]
    with q.take(lease=30) as job:
        assert job.deliveries == 2
        job.extend(60)
    assert q.empty() and q.unfinished() == 0
    q.put("y")
    for _ in range(2):
        q.take().nack()
    assert [letter["value"] for letter in q.dead()] == ["y"]
    assert q.redrive() == 1
    with q.take() as job:
        assert job.deliveries == 1


def test_what_the_block_raised_is_told_although_the_item_is_anothers(ch):
    q = ch.queue("q")
    q.put("x")
    with pytest.raises(ZeroDivisionError):
        with q.take() as job:
            job.ack()
            1 / 0
    with pytest.raises(commonhold.Refused):
        job.ack()


def test_a_lease_that_ends_gives_the_item_back(ch):
    q = ch.queue("q")
    q.put("x")
    first = q.take(lease=0.05)
    second = q.take(timeout=20)
    assert (second.value, second.deliveries) == ("x", 2)
    with pytest.raises(commonhold.Refused):
        first.ack()
    second.ack()


def test_the_item_of_a_killed_process_comes_back(server, ch):
    q = ch.queue("q")
    q.put("x")
    with program(server, "job = commonhold.connect().queue('q').take()\nprint(job.value, flush=True)\ninput()") as taker:
        assert taker.line() == "x"
        taker.kill()
        assert q.take(timeout=20).deliveries == 2
