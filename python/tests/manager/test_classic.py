"""The program that everybody writes first: a dict in one process, which others at its address count in."""

import os
import select
import signal
import subprocess
import sys
import time

import exam
import pytest

SERVER = """
import sys
from commonhold.multiprocessing import SyncManager

class MyManager(SyncManager): pass

syncdict = {}

def get_dict():
    return syncdict

if __name__ == "__main__":
    MyManager.register("syncdict", get_dict)
    manager = MyManager(("127.0.0.1", int(sys.argv[1])), authkey=b"password")
    manager.start()
    print(manager.address[1], manager._process.pid, flush=True)
    input()
    manager.shutdown()
"""

CLIENT = """
import sys
from commonhold.multiprocessing import SyncManager

class MyManager(SyncManager): pass

{registration}

if __name__ == "__main__":
    port, key, inc, rounds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    manager = MyManager(("127.0.0.1", port), authkey=b"password")
    manager.connect()
    syncdict = manager.syncdict()
    print("connected", flush=True)
    input()
    if key not in syncdict:
        syncdict.setdefault(key, 0)
    for round in range(rounds):
        syncdict[key] += inc
        if round == 10:
            print("counting", flush=True)
    print(syncdict)
"""


class Program:
    """A program that is a file, so that processes which it starts can import it."""

    def __init__(self, folder, text, *arguments, **environment):
        file = folder / f"program{len(list(folder.glob('*.py')))}.py"
        file.write_text(text)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", file, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], **environment},
        )

    def line(self):
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return line.split()

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def end(self):
        out, err = self.process.communicate("\n", timeout=60)
        assert (self.process.returncode, err) == (0, "")
        return out


@pytest.fixture
def run(tmp_path):
    """Starts programs; whatever still runs in the end is killed."""
    programs = []

    def run(*arguments, **environment):
        programs.append(Program(tmp_path, *arguments, **environment))
        return programs[-1]

    yield run
    for program in programs:
        if program.process.returncode is None:
            program.kill()


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


REGISTERED = 'MyManager.register("syncdict")'


@pytest.mark.parametrize("registration", [REGISTERED, ""], ids=["registered", "left out"])
def test_four_programs_count_in_one_dict(run, registration):
    server = run(SERVER, 0)
    port, manager = server.line()
    text = CLIENT.format(registration=registration)
    clients = [run(text, port, "hits", inc, 250) for inc in (1, 2, 3, 4)]
    for client in clients:
        assert client.line() == ["connected"]
    for client in clients:
        client.go()
    counts = [client.end() for client in clients]
    assert str({"hits": 250 * (1 + 2 + 3 + 4)}) in " ".join(counts)
    server.end()
    assert not is_running(int(manager))


def test_with_a_data_folder_nothing_is_lost_when_the_server_is_killed(run, tmp_path):
    data = {"COMMONHOLD_DATA": str(tmp_path / "data")}
    server = run(SERVER, 0, **data)
    port, manager = server.line()
    text = CLIENT.format(registration=REGISTERED)
    rounds, kills = exam.count(20_000, 2000), exam.count(20, 2)
    clients = [run(text, port, "hits", inc, rounds) for inc in (1, 2, 3, 4)]
    for client in clients:
        assert client.line() == ["connected"]
    begun = time.monotonic()
    for client in clients:
        client.go()
    for client in clients:
        assert client.line() == ["counting"]
    with exam.promise("the classic program counts through kills of its server") as figures:
        for _ in range(kills):
            assert any(client.process.poll() is None for client in clients), "they count meanwhile"
            os.kill(int(manager), signal.SIGKILL)
            server.kill()
            server = run(SERVER, port, **data)
            _, manager = server.line()
        counts = [client.end() for client in clients]
        figures |= {"rounds": kills, "operations": 4 * rounds, "slowest": int(4 * rounds / (time.monotonic() - begun))}
        assert figures["slowest"] >= 500, "such a slow server proves nothing"
        assert str({"hits": rounds * (1 + 2 + 3 + 4)}) in " ".join(counts)
    server.end()


def test_what_there_is_wins_over_what_the_program_builds(run, tmp_path):
    data = {"COMMONHOLD_DATA": str(tmp_path / "data")}
    text = SERVER.replace("syncdict = {}", "syncdict = {'hits': 7}")
    for expected in (8, 9):
        server = run(text, 0, **data)
        port, _ = server.line()
        client = run(CLIENT.format(registration=REGISTERED), port, "hits", 1, 1)
        assert client.line() == ["connected"]
        assert str({"hits": expected}) in client.end()
        server.end()


def ends(pid, killed):
    """Whether a process ends when another is killed."""
    watch = os.pidfd_open(pid)
    killed.kill()
    try:
        return bool(select.select([watch], [], [], 30)[0])
    finally:
        os.close(watch)


def test_the_manager_ends_with_its_program(run):
    server = run(SERVER, 0)
    _, manager = map(int, server.line())
    assert ends(manager, server), "it runs on"


UNNAMED = """
from commonhold.multiprocessing import Manager

if __name__ == "__main__":
    with Manager() as one, Manager() as two:
        print(one.address, one._process.pid, two._process.pid, flush=True)
        input()
"""


def test_nothing_is_left_of_the_sockets_of_a_killed_program(run):
    program = run(UNNAMED)
    address, one, two = program.line()
    assert os.path.exists(address)
    watch = os.pidfd_open(int(one))
    assert ends(int(two), program) and select.select([watch], [], [], 30)[0]
    os.close(watch)
    assert not os.path.exists(os.path.dirname(address))
