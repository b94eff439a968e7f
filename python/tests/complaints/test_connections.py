"""What users of `multiprocessing.Manager` complain of: connections, forks, keys, and managers that end."""

import os
import pickle
import re
import select
import signal
import statistics
import subprocess
import sys
import time

from sides import HANGS, OURS, THEIRS, aside, both, found, outcome, patience, when_blocked


def interrupted_call(module):
    """Ctrl-C ends a call that waits; what others are told afterwards."""
    with module.SyncManager() as manager:
        d, jobs = manager.dict(a=1), manager.Queue()
        # The connection is made at the first call: what is read from here on is a reply.
        assert jobs.empty()
        when_blocked(lambda: os.kill(os.getpid(), signal.SIGINT))
        try:
            jobs.get()
        except KeyboardInterrupt:
            aside(jobs.put, "item")
        return [d.copy(), jobs.qsize()]


def test_an_interrupted_call_desynchronises_no_connection():
    theirs, ours = both(interrupted_call)
    # Each reply is that of the call before; rarely, on a busy machine, the program does not end.
    assert theirs in (["item", {"a": 1}], HANGS)
    assert ours == [{"a": 1}, 1]


def forked_socket(module):
    """A child by `os.fork` waits at a queue, and its parent reads a dict."""
    with module.SyncManager() as manager:
        d, jobs = manager.dict(a=1), manager.Queue()
        # From here on there is a connection that could be shared.
        assert jobs.empty()
        child = os.fork()
        if child == 0:
            when_blocked(lambda: os.kill(os.getpid(), signal.SIGSTOP))
            jobs.get()
            os._exit(0)
        os.waitpid(child, os.WUNTRACED)
        aside(jobs.put, "item")
        read = d.copy()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return read


def test_a_raw_fork_does_not_share_the_connection():
    theirs, ours = both(forked_socket)
    assert theirs == "item", "what the child was to get"
    assert ours == {"a": 1}


def middle_sized_values(module):
    """The usual seconds that storing 20 kB takes by TCP, and storing 1 kB."""
    with module.SyncManager(("127.0.0.1", 0)) as manager:
        d = manager.dict()

        def usual(size):
            taken = []
            for _ in range(25):
                begun = time.perf_counter()
                d["x"] = bytes(size)
                taken.append(time.perf_counter() - begun)
            return statistics.median(taken)

        return [usual(20_000), usual(1_000)]


def test_middle_sized_values_by_tcp_wait_for_no_timer():
    (slow, quick), (ours, _) = both(middle_sized_values)
    assert slow > 0.02 and slow > 10 * quick, "two writes, and the acknowledgement of the first is delayed for 40 ms"
    assert ours < 0.02


def own_key(module):
    """A proxy of a manager with a key of its own is pickled and unpickled."""
    with module.SyncManager(authkey=b"its own") as manager:
        d = manager.dict(a=1)
        pickled = pickle.dumps(d)
        return [outcome(lambda: pickle.loads(pickled).copy()), b"its own" in pickled]


def test_a_proxy_of_a_manager_with_its_own_key_is_unpickled():
    theirs, ours = both(own_key)
    assert theirs == ["AuthenticationError", False]
    assert ours == [{"a": 1}, False]


COUNTS = {}


def counts():
    return COUNTS


def restarted(module):
    """A manager is killed and started again at its address; what a proxy of before tells, asked three times."""

    class Counts(module.SyncManager):
        pass

    Counts.register("counts", counts, module.DictProxy)
    first = Counts(os.path.abspath("socket"), b"key")
    first.start()
    d = first.counts()
    d["n"] = 1
    first._process.kill()
    first.join()
    if os.path.exists("socket"):
        os.unlink("socket")
    with Counts(first.address, b"key"):
        return [outcome(d.get, "n") for _ in range(3)]


def test_a_client_finds_a_restarted_manager_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    theirs = found(restarted, THEIRS)
    ours = found(restarted, OURS, COMMONHOLD_DATA=str(tmp_path / "data"))
    assert not {1, None} & {*theirs}, "the broken connection is kept for ever"
    assert ours == [1, 1, 1]


def shut_down(module):
    """What is said of a call after its manager was shut down."""
    manager = module.SyncManager()
    manager.start()
    d = manager.dict()
    manager.shutdown()
    try:
        d["a"]
    except (OSError, EOFError) as error:
        return f"{type(error).__name__}: {error}"


def test_a_call_after_the_end_of_its_manager_says_why():
    theirs, ours = both(shut_down)
    assert re.match("(FileNotFound|BrokenPipe|ConnectionReset|ConnectionRefused|EOF)Error", theirs)
    assert "shut down" not in theirs
    assert re.search("the manager at .* was shut down by this process", ours)


PROGRAM = """
import importlib, sys
manager = importlib.import_module(sys.argv[1]).SyncManager()
manager.start()
print(manager._process.pid, flush=True)
input()
"""


def orphan(module):
    """A program with a manager is killed; whether the manager's process ends."""
    command = [sys.executable, "-c", PROGRAM, module.__name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        manager = os.pidfd_open(int(program.stdout.readline()))
        program.kill()
    if select.select([manager], [], [], patience(module))[0]:
        return "ends"
    signal.pidfd_send_signal(manager, signal.SIGKILL)
    select.select([manager], [], [])
    return "goes on"


def test_a_manager_ends_with_its_program():
    assert both(orphan) == ("goes on", "ends")
