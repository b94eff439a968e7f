"""One operation at a time against CPython's own manager, alternating in one run.

    python bench/manager.py [--rounds N] [--calls N] [--json FILE]

Both speak over a Unix socket to a server process. Compared are medians of single calls: `get` with the manager's `get`, and
`increment`, which the manager cannot do in one step at all, with its `__setitem__`. The bar is a ratio of 0.7; the exit
code tells whether it was met. Wants release builds; COMMONHOLD_BIN names the command.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import commonhold

BAR = 0.7
BINARY = pathlib.Path(__file__).parents[2] / "target" / "release" / "commonhold"


def start(folder):
    """A server with a data folder, a key and a socket of its own."""
    url, key_file = f"unix://{folder}/socket", f"{folder}/authkey"
    environment = {
        "PATH": os.environ["PATH"],
        "COMMONHOLD_DATA": f"{folder}/data",
        "COMMONHOLD_AUTHKEY_FILE": key_file,
    }
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [os.environ.get("COMMONHOLD_BIN", BINARY), "serve", "--listen", url, "--ready-fd", str(writer)],
        env=environment,
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with open(reader, "rb") as ready:
        if not ready.readline():
            sys.exit("the server did not start")
    return process, commonhold.connect(url, key_file=key_file)


def sample(call, times):
    """How long each of so many calls took, in ns."""
    clock = time.perf_counter_ns
    samples = []
    for _ in range(times):
        begin = clock()
        call()
        samples.append(clock() - begin)
    return samples


def measure(operations, rounds, calls):
    """The median of each operation, in us; the rounds alternate between them, and the first one only warms up."""
    samples = {name: [] for name in operations}
    for round_number in range(rounds + 1):
        for name, call in operations.items():
            taken = sample(call, calls)
            if round_number:
                samples[name] += taken
    return {name: statistics.median(taken) / 1000 for name, taken in samples.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=250)
    parser.add_argument("--json", type=pathlib.Path, help="write the result here as well")
    arguments = parser.parse_args()

    with (
        tempfile.TemporaryDirectory(prefix="commonhold-") as folder,
        multiprocessing.Manager() as manager,
    ):
        server, ch = start(folder)
        try:
            theirs = manager.dict()
            ours = ch.dict("bench", durability="memory")
            durable = ch.dict("bench-durable", durability="durable")
            theirs["n"] = ours["n"] = durable["n"] = 1
            us = measure(
                {
                    "manager get": lambda: theirs.get("n"),
                    "get": lambda: ours.get("n"),
                    "manager set": lambda: theirs.__setitem__("n", 1),
                    "increment": lambda: ours.increment("n"),
                },
                arguments.rounds,
                arguments.calls,
            )
            # Apart: what waits for a disk leaves the cores in another state.
            us |= measure({"durable increment": lambda: durable.increment("n")}, 4, arguments.calls)
            ch.close()
        finally:
            server.kill()
            server.wait()

    ratios = {
        "get": us["get"] / us["manager get"],
        "increment": us["increment"] / us["manager set"],
    }
    result = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "us": {name: round(value, 2) for name, value in us.items()},
        "ratios": {name: round(value, 3) for name, value in ratios.items()},
        "bar": BAR,
        "met": all(ratio <= BAR for ratio in ratios.values()),
    }
    for name, value in us.items():
        print(f"{name:>18} {value:8.1f} us")
    for name, value in ratios.items():
        print(f"{name:>18} {value:8.2f} of the manager's, at most {BAR}")
    text = json.dumps(result)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.exit(0 if result["met"] else 1)


if __name__ == "__main__":
    main()
