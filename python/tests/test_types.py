"""What a type checker learns from the stubs, and that annotations mean something when they are run."""

import subprocess
import sys
from pathlib import Path

import pytest

import commonhold
from commonhold import aio

TYPED = sorted((Path(__file__).parent / "typed").glob("*.py"))

PROGRAM = """
import commonhold
from typing import assert_type

ch = commonhold.connect()
hits: commonhold.Dict[str, int] = ch.dict("hits", durability="memory")
assert_type(hits["x"], int)
assert_type(hits.get("x"), int | None)
assert_type(hits.get("x", "none"), int | str)
assert_type(hits.copy(), dict[str, int])
hits["x"] += 1
names: commonhold.List[str] = ch.list("names")
assert_type(names[0], str)
assert_type(names[1:], list[str])
jobs: commonhold.Queue[bytes] = ch.queue("jobs", lifo=True)
with jobs.take(lease=30) as job:
    assert_type(job.value, bytes)
with ch.lock("l", wait=5) as grant:
    assert_type(grant, commonhold.Grant)
    assert_type(hits.fenced(grant), commonhold.Dict[str, int])
with ch.rwlock("rw").read() as reading:
    assert_type(reading.token, int)
assert_type(ch.condition("c").wait_for(lambda: "yes"), str)
members: commonhold.Set[int] = ch.set()
assert_type(members.add(1), bool)
assert_type(ch.counter("c").increment(), int)
total: commonhold.Value[float] = ch.value("v", 1.5)
total.value += 1
"""
# Each of these is a mistake that a checker tells.
MISTAKES = [
    'hits[1]',
    'hits["x"] = "text"',
    'names.append(1)',
    'ch.dict("x", durability="eternal")',
    'ch.lock("x", tomeout=1)',
    'ch.queue("x", "y")',
    'ch.rwlock("x").__enter__()',
]


def check(tmp_path, text):
    file = tmp_path / "program.py"
    file.write_text(text)
    return check_file(tmp_path, file)


def check_file(tmp_path, file):
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(file)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_typed_program_is_understood(tmp_path):
    done = check(tmp_path, PROGRAM)
    assert done.returncode == 0, done.stdout


def test_mistakes_are_told(tmp_path):
    lines = PROGRAM.splitlines() + MISTAKES
    done = check(tmp_path, "\n".join(lines) + "\n")
    told = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    first = len(PROGRAM.splitlines()) + 1
    assert told == set(range(first, first + len(MISTAKES))), done.stdout


@pytest.mark.parametrize("file", TYPED, ids=lambda file: file.stem)
def test_a_typed_file_is_understood(tmp_path, file):
    done = check_file(tmp_path, file)
    assert done.returncode == 0, done.stdout


def test_classes_take_types_at_run_time():
    for made in (commonhold.Dict[str, int], commonhold.List[int], commonhold.Set[int], commonhold.Queue[int],
                 commonhold.Value[int], commonhold.Array[int], commonhold.Job[int], aio.Dict[str, int], aio.List[int],
                 aio.Set[int], aio.Queue[int], aio.Value[int], aio.Array[int], aio.Job[int]):
        assert made.__args__
