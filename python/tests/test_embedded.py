"""Folders that processes open together."""

import errno
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time

import exam
import pytest
from children import until

import commonhold
from commonhold.testing import server

COUNTER = """
import sys, commonhold
with commonhold.open(sys.argv[1]) as ch:
    c, own = ch.counter("c"), ch.counter(sys.argv[2])
    print("opened", flush=True)
    for _ in range(int(sys.argv[3])):
        c.increment()
        print(own.increment(), ch.serves, flush=True)
"""


class Program:
    """A Python program that is told where the folder is."""

    def __init__(self, text, *arguments):
        command = [sys.executable, "-W", "error", "-c", text, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self):
        return self.process.stdout.readline().split()

    def end(self):
        out, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0
        return out

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state.db"


def test_a_folder_keeps_what_is_shared(folder):
    for expected in (1, 2):
        with commonhold.open(folder) as ch:
            assert ch.serves and ch.path == str(folder)
            assert ch.counter("runs").increment() == expected
    assert not (folder / "commonhold.sock").exists()
    for file, mode in ((folder, 0o700), (folder / "authkey", 0o600)):
        assert file.stat().st_mode & 0o777 == mode


def test_the_second_is_served_by_the_first_and_takes_over(folder):
    with commonhold.open(folder) as second:
        with commonhold.open(folder, codec="pickle") as third:
            assert (second.serves, third.serves) == (True, False)
            third.dict("d")["x"] = 1j
            second.close()
            assert not second.serves
            assert third.dict("d")["x"] == 1j
            assert third.serves
    with pytest.raises(commonhold.Error, match="closed"):
        second.counter("c").increment()


def test_processes_count_through_kills_of_whoever_serves(folder):
    """Each killed one has counted what it was told, or one more, and the others exactly as often as they wanted."""
    rounds, kills = exam.count(4000, 400), exam.count(20, 3)
    with exam.promise("processes that open a folder count through kills of those that serve") as figures:
        counters = [Program(COUNTER, folder, number, rounds) for number in range(4)]
        alive = dict(enumerate(counters))
        for counter in counters:
            assert counter.line() == ["opened"]
        begun, killed, since = len(counters), {}, time.monotonic()
        while len(killed) < kills:
            lines = {number: counter.line() for number, counter in alive.items()}
            for number, (_, serves) in lines.items():
                if serves == "True" and number not in killed:
                    counter = alive.pop(number)
                    counter.process.kill()
                    # The last line may be half a one.
                    said = [line.split()[0] for line in counter.process.stdout if line.endswith(("True\n", "False\n"))]
                    counter.kill()
                    killed[number] = int([lines[number][0], *said][-1])
                    alive[begun] = Program(COUNTER, folder, begun, rounds)
                    assert alive[begun].line() == ["opened"]
                    begun += 1
                    break
        for counter in alive.values():
            counter.end()
        with commonhold.open(folder) as ch:
            counts = {number: ch.counter(str(number)).get() for number in range(begun)}
            assert all(counts[number] == rounds for number in alive)
            untold = {number: counts[number] - told for number, told in killed.items()}
            assert set(untold.values()) <= {0, 1}, untold
            # Of a killed one the call between its two counters may have been the last.
            assert ch.counter("c").get() - sum(counts.values()) in range(kills + 1)
        operations = 2 * sum(counts.values())
        figures |= {"rounds": kills, "operations": operations, "rate": int(operations / (time.monotonic() - since))}
        assert figures["rate"] > 500, "such slow ones prove nothing"


def test_a_call_that_waits_goes_on_at_the_next_server(folder):
    serving = Program("import sys, commonhold\nch = commonhold.open(sys.argv[1])\nprint(ch.serves, flush=True)\ninput()", folder)
    assert serving.line() == ["True"]
    with commonhold.open(folder) as ch, commonhold.open(folder) as other:
        q = ch.queue("q")
        q.put(0)
        assert q.get() == 0
        got = []
        thread = threading.Thread(target=lambda: got.append(q.get(timeout=60)))
        thread.start()
        until(lambda: other.who("q")["waiting_count"] == 1)
        serving.kill()
        until(lambda: ch.serves or other.serves)
        other.queue("q").put("item")
        thread.join()
        assert got == ["item"]


def test_many_open_at_once_and_one_serves(folder):
    text = "import sys, commonhold\nch = commonhold.open(sys.argv[1])\nprint(ch.counter('c').increment(), ch.serves, flush=True)\ninput()"
    programs = [Program(text, folder) for _ in range(8)]
    lines = [program.line() for program in programs]
    assert sorted(int(count) for count, _ in lines) == list(range(1, 9))
    assert sorted(serves for _, serves in lines) == ["False"] * 7 + ["True"]
    for program in programs:
        program.process.stdin.write("\n")
        program.end()


def test_it_ends_in_order_with_a_program_that_does_not_close_it(folder):
    text = "import sys, commonhold\nch = commonhold.open(sys.argv[1])\nprint(ch.counter('c').increment())"
    for expected in (1, 2):
        assert Program(text, folder).end() == f"{expected}\n"
        assert not (folder / "commonhold.sock").exists()


FORKING = """
import os, signal, sys, commonhold
ch = commonhold.open(sys.argv[1])
c = ch.counter("c")
c.increment()
ready, go = os.pipe(), os.pipe()
if os.fork() == 0:
    c.increment()
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    print(c.increment(), ch.serves, flush=True)
    try:
        commonhold.open(sys.argv[1] + "2")
    except commonhold.Error as error:
        print(error, flush=True)
    os._exit(0)
os.read(ready[0], 1)
print(c.increment(), ch.serves, flush=True)
os.write(go[1], b"x")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_forked_child_is_a_client_and_stands_in_nobodys_way(folder):
    # Python warns of a fork beside threads from 3.12 on.
    forking = subprocess.Popen([sys.executable, "-c", FORKING, folder], stdout=subprocess.PIPE, text=True)
    assert forking.stdout.readline() == "3 True\n"
    with commonhold.open(folder) as ch:
        assert forking.wait() == -signal.SIGKILL
        # The child may have counted already, here.
        until(lambda: ch.counter("c").get() == 4)
        assert ch.serves
        out, _ = forking.communicate(timeout=60)
        assert out.startswith("4 False\n") and "a process that served before it was forked" in out


HOLDING = """
import sys, commonhold
with commonhold.open(sys.argv[1]) as ch, ch.lock("l") as grant, ch.queue("q").take() as job:
    print("holds", ch.serves, flush=True)
    input()
    print(grant.lost, ch.counter("c").increment(), ch.serves, flush=True)
"""


def test_who_holds_a_lock_and_makes_no_call_keeps_it_when_another_serves_on(folder):
    first = commonhold.open(folder)
    first.queue("q").put("item")
    holder = Program(HOLDING, folder)
    assert holder.line() == ["holds", "False"]
    first.close()
    with commonhold.open(folder) as ch:
        # Longer than a server waits for those that it knew from before.
        assert ch.lock("l").acquire(timeout=4) is False and ch.queue("q").qsize() == 0
        holder.process.stdin.write("\n")
        holder.process.stdin.flush()
        assert holder.line()[:2] == ["False", "1"]
        holder.end()
        assert ch.lock("l").acquire(timeout=20) and ch.queue("q").qsize() == 0


ENDING = """
import multiprocessing, sys
if sys.argv[2] == "after":
    import multiprocessing.util
import commonhold

ch = commonhold.open(sys.argv[1])
c = ch.counter("c")

def count(told):
    told.recv()
    for _ in range(100):
        c.increment()
    print("counted", ch.serves, flush=True)

hear, tell = multiprocessing.Pipe(False)
multiprocessing.get_context("fork").Process(target=count, args=(hear,)).start()
tell.send("go")
"""


@pytest.mark.parametrize("order", ["before", "after"])
def test_children_are_served_to_their_end(folder, order):
    done = subprocess.run([sys.executable, "-c", ENDING, folder, order], capture_output=True, text=True, timeout=50)
    assert done.stdout == "counted False\n", done.stderr
    assert not (folder / "commonhold.sock").exists()


OPENING = """
import os, sys, threading, commonhold
opener = threading.Thread(target=commonhold.open, args=(sys.argv[1],))
opener.start()
held = 0
while opener.is_alive():
    child = os.fork()
    if child == 0:
        for number in os.listdir("/proc/self/fd"):
            try:
                held += os.readlink("/proc/self/fd/" + number).startswith(sys.argv[1] + "/")
            except OSError:
                pass
        os._exit(min(held, 255))
    held += os.waitpid(child, 0)[1]
opener.join()
print(held)
"""


def test_a_child_that_is_forked_while_a_folder_is_opened_lets_go_of_it(folder):
    done = subprocess.run([sys.executable, "-c", OPENING, folder], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0\n", done.stderr


TAKING_OVER = """
import faulthandler, os, sys, threading, commonhold
ch = commonhold.open(sys.argv[1])
print("opened", ch.serves, flush=True)
input()
caller = threading.Thread(target=ch.counter("c").increment)
caller.start()
while caller.is_alive():
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(20, exit=True)
        serves = ch.serves
        ch.close()
        os._exit(serves)
    assert os.waitpid(child, 0)[1] == 0
caller.join()
print(ch.serves, flush=True)
"""


def test_a_child_that_is_forked_during_a_take_over_does_not_hang(folder):
    first = commonhold.open(folder)
    # Python warns of a fork beside threads from 3.12 on.
    command = [sys.executable, "-c", TAKING_OVER, folder]
    taking = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert taking.stdout.readline() == "opened False\n"
    first.close()
    out, _ = taking.communicate("\n", timeout=60)
    assert out == "True\n"


SPAWNING = """
import multiprocessing, sys, commonhold

def count(c):
    return c.increment(), c.client.serves, c.client.path

if __name__ == "__main__":
    with commonhold.open(sys.argv[1]) as ch:
        c = ch.counter("c")
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(*pool.apply(count, (c,)))
        print(c.increment())
"""


def test_proxies_go_to_other_processes(folder, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(SPAWNING)
    done = subprocess.run([sys.executable, program, folder], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == (f"1 False {folder}\n2\n", "")
    with commonhold.open(folder) as ch:
        moved = pickle.dumps(ch.counter("c")).replace(b"state.db", b"state.no")
        with pytest.raises(FileNotFoundError):
            pickle.loads(moved)
        assert pickle.loads(pickle.dumps(ch.counter("c"))).client is ch
        assert pickle.loads(pickle.dumps(ch)) is ch


def test_a_path_may_be_too_long_for_a_socket_or_relative(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120) / "state.db"
    with commonhold.open(long) as ch, commonhold.open(long) as other:
        assert (ch.counter("c").increment(), other.counter("c").increment()) == (1, 2)
    with commonhold.open(os.fsencode(tmp_path / "bytes")) as ch:
        assert ch.path == str(tmp_path / "bytes")
    # The address of a server is text.
    with pytest.raises(UnicodeEncodeError):
        commonhold.open(os.fsencode(tmp_path) + b"/\xff")
    monkeypatch.chdir(tmp_path)
    with commonhold.open(pathlib.Path("state.db")) as ch:
        assert ch.path == str(tmp_path / "state.db")


def test_what_cannot_be_opened_is_an_error_that_says_why(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(FileExistsError) as caught:
        commonhold.open(file)
    assert (caught.value.errno, caught.value.filename) == (errno.EEXIST, str(file))
    with pytest.raises(FileNotFoundError, match="No such file or directory: '/proc/nowhere"):
        commonhold.open("/proc/nowhere/state.db")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter").write_text("x")
    with pytest.raises(commonhold.Error, match="it has no FORMAT file but holds letter"):
        commonhold.open(foreign)
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "FORMAT").write_text("99 sled\n")
    with pytest.raises(commonhold.Error, match="99"):
        commonhold.open(newer)
    assert os.listdir(foreign) == ["letter"]
    # What the program has open there stays open in its children.
    with open(foreign / "letter") as letter:
        child = os.fork()
        if child == 0:
            os._exit(letter.read() != "x")
        assert os.waitpid(child, 0)[1] == 0
    with server(data=tmp_path / "data") as served:
        with pytest.raises(commonhold.Error, match=f"data is in use by process {served.pid}, and there is no key to be found"):
            commonhold.open(tmp_path / "data")
