"""Side by side with CPython's own manager and with redis-py, alternating in one run.

    python bench/peers.py [WORD...] [--rounds N] [--json FILE]

Rows whose names contain one of the words are measured, or all of them. Everything goes over Unix sockets unless a row says
TCP; our objects are `memory`, since neither peer writes anything to a disk. A row is our time by the peer's, both medians,
or the peer's rate by ours; the exit code tells whether every bar was met. Wants release builds: `make bench` sees to it.
COMMONHOLD_BIN names the server. Rows of Redis are left out where redis-server or redis-py is missing.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import commonhold

try:
    import redis
except ImportError:
    redis = None

BINARY = pathlib.Path(__file__).parents[2] / "target" / "release" / "commonhold"
# Calls of one sample, and increments of one process.
CALLS = 250
TOGETHER = 4
INCREMENTS = 2_000
ENTRIES = {f"key-{number}": number for number in range(100_000)}
SMALL = os.urandom(20_000)
LARGE = os.urandom(64 << 20)


class Lab:
    """Our server and the peers, each in a process of its own, and a client of each."""

    def __init__(self, folder):
        self.folder = folder
        self.url = f"unix://{folder}/socket"
        self.key_file = f"{folder}/authkey"
        environment = {
            "PATH": os.environ["PATH"],
            "COMMONHOLD_DATA": f"{folder}/data",
            "COMMONHOLD_AUTHKEY_FILE": self.key_file,
        }
        reader, writer = os.pipe()
        listen = ["--listen", self.url, "--listen", "tcp://127.0.0.1:0"]
        self.server = subprocess.Popen(
            [os.environ.get("COMMONHOLD_BIN", BINARY), "serve", *listen, "--ready-fd", str(writer)],
            env=environment,
            pass_fds=[writer],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        os.close(writer)
        with open(reader, "rb") as ready:
            if not ready.readline():
                sys.exit("the server did not start")
        self.ch = self.connect()
        self.ours = self.ch.dict("bench", durability="memory")
        self.manager = multiprocessing.Manager()
        self.theirs = self.manager.dict()
        self.redis_process = self.redis = None
        if redis is not None and shutil.which("redis-server"):
            self.start_redis()

    def connect(self, url=None):
        return commonhold.connect(url or self.url, key_file=self.key_file)

    def tcp(self):
        """The address that the server says it listens at."""
        for line in self.server.stdout:
            words = line.split()
            if words[:1] == ["listen"] and words[1].startswith("tcp:"):
                return words[1]
        return sys.exit("the server listens at no TCP address")

    def start_redis(self):
        socket = f"{self.folder}/redis"
        self.redis_process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", socket, "--save", ""],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )
        self.redis = redis.Redis(unix_socket_path=socket)
        until = time.monotonic() + 10
        while True:
            try:
                self.redis.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > until:
                    raise

    def close(self):
        self.ch.close()
        self.manager.shutdown()
        for process in (self.server, self.redis_process):
            if process is not None:
                process.kill()
                process.wait()


def each(call, times=CALLS):
    """The median time of single calls, in us."""
    clock = time.perf_counter_ns
    taken = []
    for _ in range(times):
        begin = clock()
        call()
        taken.append(clock() - begin)
    return statistics.median(taken) / 1000


def once(call):
    """The time of one call, in us."""
    begin = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - begin) / 1000


def together(work, *arguments):
    """The time that several processes take for what they do at one time, in us for one operation."""
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(TOGETHER + 1)
    workers = [fork.Process(target=work, args=(start, *arguments)) for _ in range(TOGETHER)]
    for worker in workers:
        worker.start()
    start.wait()
    begin = time.perf_counter_ns()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        sys.exit("a process of the benchmark failed")
    return (time.perf_counter_ns() - begin) / 1000 / TOGETHER / INCREMENTS


def increment_ours(start, url, key_file):
    with commonhold.connect(url, key_file=key_file) as ch:
        shared = ch.dict("bench", durability="memory")
        shared.increment("together", 0)
        start.wait()
        for _ in range(INCREMENTS):
            shared.increment("together")


def add_ours(start, url, key_file):
    with commonhold.connect(url, key_file=key_file) as ch:
        shared = ch.dict("bench", durability="memory")
        shared.increment("together", 0)
        start.wait()
        for _ in range(INCREMENTS):
            shared["together"] += 1


def add_theirs(start, shared, lock):
    start.wait()
    for _ in range(INCREMENTS):
        with lock:
            shared["together"] += 1


def together_theirs(lab):
    lab.theirs["together"] = 0
    taken = together(add_theirs, lab.theirs, lab.manager.Lock())
    assert lab.theirs["together"] == TOGETHER * INCREMENTS
    return taken


def together_ours(lab, work):
    lab.ours["together"] = 0
    taken = together(work, lab.url, lab.key_file)
    assert lab.ours["together"] == TOGETHER * INCREMENTS
    return taken


def swap_large(shared):
    shared["large"] = LARGE
    assert len(shared["large"]) == len(LARGE)
    del shared["large"]


def rows(lab):
    """Name, bar on our time by theirs, our sample and theirs; a peer of None is a bar in us."""
    ours, theirs = lab.ours, lab.theirs
    ours["n"] = theirs["n"] = 1
    tcp = lab.connect(lab.tcp()).dict("bench-tcp", durability="memory")
    yield "get, by the manager's", 0.7, lambda: each(lambda: ours.get("n")), lambda: each(lambda: theirs.get("n"))
    yield (
        "increment, by the manager's set",
        0.7,
        lambda: each(lambda: ours.increment("n")),
        lambda: each(lambda: theirs.__setitem__("n", 1)),
    )
    if lab.redis is not None:
        lab.redis.set("n", 1)
        yield "get, by redis-py's", 0.7, lambda: each(lambda: ours.get("n")), lambda: each(lambda: lab.redis.get("n"))
        yield (
            "increment, by redis-py's",
            0.7,
            lambda: each(lambda: ours.increment("n")),
            lambda: each(lambda: lab.redis.incr("n")),
        )
    yield (
        "an object made and freed",
        0.2,
        lambda: each(lambda: lab.ch.list(), 50),
        lambda: each(lambda: lab.manager.list(), 50),
    )
    yield (
        "4 processes, increment, by the manager's lock and +=",
        1 / 8,
        lambda: together_ours(lab, increment_ours),
        lambda: together_theirs(lab),
    )
    yield (
        "4 processes, +=, by the manager's lock and +=",
        1 / 4,
        lambda: together_ours(lab, add_ours),
        lambda: together_theirs(lab),
    )
    yield "update of 100,000 entries", 1 / 2, lambda: once(lambda: ours.update(ENTRIES)), lambda: once(
        lambda: theirs.update(ENTRIES)
    )
    yield "64 MiB set and got", 1.0, lambda: once(lambda: swap_large(ours)), lambda: once(lambda: swap_large(theirs))
    yield "20 kB set over TCP, in us", 100.0, lambda: each(lambda: tcp.set("small", SMALL)), None


def measure(row, rounds):
    name, bar, ours, theirs = row
    samples = [], []
    for number in range(rounds + 1):
        for side, sample in zip(samples, (ours, theirs), strict=True):
            taken = sample() if sample is not None else 1.0
            # The first round only warms up.
            if number:
                side.append(taken)
    us = [statistics.median(side) for side in samples]
    ratio = us[0] / us[1]
    return {"name": name, "us": round(us[0], 2), "peer_us": round(us[1], 2) if theirs else None,
            "ratio": round(ratio, 3), "bar": round(bar, 3), "met": ratio <= bar}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=pathlib.Path, help="write the result here as well")
    arguments = parser.parse_args()

    measured = []
    with tempfile.TemporaryDirectory(prefix="commonhold-") as folder:
        lab = Lab(folder)
        try:
            print(f"{'':<54} {'ours, us':>12} {'peer, us':>12} {'ratio':>7} {'bar':>7}")
            for row in rows(lab):
                if arguments.words and not any(word in row[0] for word in arguments.words):
                    continue
                result = measure(row, arguments.rounds)
                measured.append(result)
                peer = "" if result["peer_us"] is None else f"{result['peer_us']:.1f}"
                print(
                    f"{result['name']:<54} {result['us']:12.1f} {peer:>12} {result['ratio']:7.2f}"
                    f" {result['bar']:7.2f}{'' if result['met'] else '  misses its bar'}",
                    flush=True,
                )
        finally:
            lab.close()
    if arguments.json:
        about = {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
        arguments.json.write_text(json.dumps(about | {"rows": measured}, indent=2) + "\n")
    sys.exit(0 if all(row["met"] for row in measured) else 1)


if __name__ == "__main__":
    main()
