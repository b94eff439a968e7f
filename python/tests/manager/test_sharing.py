"""Proxies in other processes: inherited, pickled, stored, left behind."""

import copy
import multiprocessing
import os
import pickle
import signal

import pytest

from commonhold.multiprocessing import AuthenticationError, DictProxy, Manager, SyncManager


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def context(request):
    return multiprocessing.get_context(request.param)


@pytest.fixture
def shared(context):
    with SyncManager(ctx=context) as manager:
        yield manager


def run(context, target, *arguments, exitcode=0):
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode == exitcode


def count(counts, numbers, lock, rounds):
    for _ in range(rounds):
        counts["n"] += 1
        counts["m"] -= 2
        numbers[0] += 1
    with lock:
        counts["done"] = counts.get("done", 0) + 1


def test_increments_of_several_processes_all_count(context, shared):
    counts, numbers, lock = shared.dict(n=0, m=0), shared.Array("q", [0]), shared.Lock()
    processes = [context.Process(target=count, args=(counts, numbers, lock, 200)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert counts.copy() == {"n": 800, "m": -1600, "done": 4} and numbers[0] == 800


def use_everything(d, numbers, space, value, jobs, event, inner):
    assert list(d) == ["a", "inner"] and d["inner"][:] == [1]
    d["inner"].append(2)
    numbers.append(space.x)
    space.x += 1
    value.value += 1
    assert (str(value), type(inner).__name__) == ("Value('i', 8)", "ListProxy")
    jobs.put(inner)
    event.set()


def test_every_proxy_works_in_another_process(context, shared):
    inner = shared.list([1])
    d, numbers, space = shared.dict(a=1, inner=inner), shared.list(), shared.Namespace(x=5)
    value, jobs, event = shared.Value("i", 7), shared.Queue(), shared.Event()
    run(context, use_everything, d, numbers, space, value, jobs, event, inner)
    assert event.wait(30) and inner[:] == [1, 2]
    assert (numbers[:], space.x, value.value, jobs.get()[:]) == ([5], 6, 8, [1, 2])


def wait_and_append(ready, go, numbers):
    ready.set()
    go.wait()
    numbers.append(1)


def test_a_child_holds_what_its_parent_lets_go(context, shared):
    ready, go, numbers = shared.Event(), shared.Event(), shared.list()
    process = context.Process(target=wait_and_append, args=(ready, go, numbers))
    process.start()
    assert ready.wait(60)
    del numbers
    assert shared._number_of_objects() == 3, "the child's session holds it: pins do not count"
    go.set()
    process.join(60)
    assert process.exitcode == 0
    assert shared._number_of_objects() == 2


def take_and_end(*locks):
    for lock in locks:
        assert lock.acquire(False)


def take_and_die(*locks):
    take_and_end(*locks)
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_process_holds_when_it_ends_stays_held(context, shared):
    lock, semaphore, condition = shared.Lock(), shared.Semaphore(1), shared.Condition()
    run(context, take_and_end, lock, semaphore, condition)
    for held in (lock, semaphore, condition):
        assert held.acquire(False) is False
    lock.release()
    semaphore.release()
    with pytest.raises(RuntimeError, match="release unlocked lock"):
        lock.release()


def test_a_lock_of_a_killed_process_is_free(context, shared):
    lock, again, condition = shared.Lock(), shared.RLock(), shared.Condition()
    run(context, take_and_die, lock, again, condition, exitcode=-signal.SIGKILL)
    for free in (lock, again, condition):
        assert free.acquire(timeout=30) is True


class Keeper:
    def __init__(self, kept):
        self.kept = kept


def put_made(address, jobs):
    with_own = SyncManager(address)
    with_own.connect()
    jobs.put(with_own.list([1]))
    jobs.put(Keeper(with_own.list([2])))


def test_a_proxy_is_kept_on_its_way(context, shared):
    jobs = shared.Queue()
    run(context, put_made, shared.address, jobs)
    assert jobs.get()[:] == [1]
    assert jobs.get().kept[:] == [2]


def send_made(address, sender):
    manager = SyncManager(address)
    manager.connect()
    made = manager.list([1])
    sender.send(made)
    del made


def test_a_proxy_is_kept_in_a_pipe(context, shared):
    receiver, sender = context.Pipe(False)
    run(context, send_made, shared.address, sender)
    assert receiver.recv()[:] == [1]


def append_all(boxes):
    for box in boxes.values():
        box.append(1)


def test_custom_keys_travel_with_the_program(context):
    with SyncManager(ctx=context, authkey=b"of this manager only") as manager:
        numbers = manager.list()
        run(context, append_all, {"a": numbers, "b": copy.copy(numbers)})
        assert numbers[:] == [1, 1]
        assert pickle.loads(pickle.dumps(numbers))[:] == [1, 1]


class Counting(DictProxy):
    def count(self, key):
        self[key] = self.get(key, 0)
        self[key] += 1


class Own(SyncManager):
    pass


Own.register("counting", dict, Counting)


def count_one(counting, keeper):
    counting.count("n")
    assert type(keeper["k"].kept) is Counting
    keeper["k"].kept.count("n")


def test_a_programs_own_proxies_stay_so(context):
    with Own(ctx=context) as manager:
        counting, keeper = manager.counting(), manager.dict()
        keeper["itself"] = counting
        assert type(keeper["itself"]) is Counting
        keeper["k"] = Keeper(counting)
        run(context, count_one, counting, keeper)
        assert counting["n"] == 2


def initialize(space):
    space.value += 1


def fail():
    raise ZeroDivisionError("on purpose")


def test_an_initializer_runs_in_the_managers_process(context, shared):
    space = shared.Namespace(value=1)
    other = SyncManager(ctx=context)
    other.start(initialize, (space,))
    assert space.value == 2
    other.shutdown()
    failed = SyncManager(ctx=context)
    with pytest.raises(EOFError):
        failed.start(fail)


def test_a_raw_fork_has_connections_of_its_own(manager):
    jobs, numbers, d = manager.Queue(), manager.list(), manager.dict(a=1)
    pid = os.fork()
    if pid == 0:
        try:
            for number in range(100):
                numbers.append(number)
            jobs.put(d["a"])
        finally:
            os._exit(0)
    for _ in range(100):
        assert d["a"] == 1
    assert jobs.get(timeout=30) == 1
    os.waitpid(pid, 0)
    assert numbers[:] == list(range(100))


def test_forking_with_proxies_of_a_manager_that_is_gone_takes_no_time(manager):
    gone = Manager()
    kept = gone.dict()
    gone.shutdown()
    killed = Manager()
    also = killed.dict()
    os.kill(killed._process.pid, signal.SIGKILL)
    killed.join()
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert kept is not None and also is not None


def interrupt_me(jobs, ready, interrupted, found):
    def raised(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, raised)
    try:
        ready.set()
        jobs.get()
    except KeyboardInterrupt:
        interrupted.set()
        found.append(jobs.get())


def test_an_interrupted_get_takes_nothing(context, shared):
    jobs, found = shared.Queue(), shared.list()
    ready, interrupted = shared.Event(), shared.Event()
    process = context.Process(target=interrupt_me, args=(jobs, ready, interrupted, found))
    process.start()
    assert ready.wait(60)
    os.kill(process.pid, signal.SIGINT)
    assert interrupted.wait(60)
    jobs.put("item")
    process.join(60)
    assert (process.exitcode, found[:], jobs.qsize()) == (0, ["item"], 0)


def refused(address):
    manager = SyncManager(address, b"another")
    try:
        manager.connect()
    except AuthenticationError:
        os._exit(3)


def test_a_process_with_another_key_is_refused(context, shared):
    run(context, refused, shared.address, exitcode=3)
