"""What users of `multiprocessing.Manager` complain of: what becomes of locks and objects when processes go."""

import multiprocessing
import pickle
import re

from sides import both, killed, outcome, patience, until


def dead_holder(module):
    """A process that holds a lock is killed; whether others get the lock."""
    with module.SyncManager() as manager:
        found = {}
        for kind in ("Lock", "RLock", "Condition"):
            lock = getattr(manager, kind)()
            killed(lock.acquire)
            found[kind] = lock.acquire(True, patience(module))
        return found


def test_a_lock_is_free_when_its_holder_is_killed():
    kinds = ("Lock", "RLock", "Condition")
    assert both(dead_holder) == (dict.fromkeys(kinds, False), dict.fromkeys(kinds, True))


def look(d, told):
    told.send(outcome(lambda: [[key for key in d], [*d.keys()]]))


def iterated_in_child(module):
    """What a child finds in the dict that it was given."""
    with module.SyncManager() as manager:
        d = manager.dict(a=1)
        answer, told = multiprocessing.Pipe(False)
        child = multiprocessing.Process(target=look, args=(d, told))
        child.start()
        told.close()
        try:
            return answer.recv()
        finally:
            child.join()


def test_a_dict_is_iterated_in_a_child():
    assert both(iterated_in_child) == ("AttributeError", [["a"], ["a"]])


def in_flight(module):
    """A proxy is pickled and forgotten; what it is when it is unpickled."""
    with module.SyncManager() as manager:
        pickled = pickle.dumps(manager.list([1]))
        return outcome(lambda: pickle.loads(pickled)[:])


def test_an_object_lives_while_its_proxy_is_in_flight():
    assert both(in_flight) == ("RemoteError", [1])


def megabytes(process):
    """How much memory a process has."""
    with open(f"/proc/{process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s*(\d+) kB", status.read())[1]) >> 10


TIMES, SIZE = 12, 4


def nested_proxies(module):
    """How many megabytes more a manager has after objects were put into a dict, one by one, and deleted from it."""
    with module.SyncManager() as manager:
        d = manager.dict()

        def put_and_delete():
            d["x"] = manager.list([bytes(SIZE << 20)])
            del d["x"]

        put_and_delete()
        before = megabytes(manager._process)
        for _ in range(TIMES):
            put_and_delete()
            manager._number_of_objects()
        return megabytes(manager._process) - before


def test_an_object_goes_with_what_it_was_stored_in():
    theirs, ours = both(nested_proxies)
    assert theirs > (TIMES - 2) * SIZE
    assert ours < TIMES * SIZE / 2


def killed_client(module):
    """A child that has proxies is killed, and its parent forgets its own; how many objects are held then."""
    with module.SyncManager() as manager:
        proxies = [manager.list() for _ in range(3)]
        before = manager._number_of_objects()
        killed(lambda: [proxy.append(1) for proxy in proxies])
        proxies.clear()
        until(lambda: manager._number_of_objects() == 0, patience(module))
        return [before, manager._number_of_objects()]


def test_what_a_killed_process_held_is_forgotten():
    assert both(killed_client) == ([3, 3], [3, 0])
