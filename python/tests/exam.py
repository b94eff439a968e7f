"""The counts that promises are made on, by `COMMONHOLD_EXAM=full`, and `target/exam.json`: the figures, one entry a promise."""

import contextlib
import fcntl
import json
import os
import pathlib
import sys

FULL = os.environ.get("COMMONHOLD_EXAM") == "full"
REPORT = pathlib.Path(__file__).parents[2] / "target" / "exam.json"


def count(full, small):
    """So many rounds, or operations."""
    return full if FULL else small


@contextlib.contextmanager
def promise(name):
    """A block that examines a promise under this Python; it is given a dict for its figures."""
    name = f"python {sys.version_info.major}.{sys.version_info.minor}: {name}"
    figures, violations = {}, 0
    try:
        yield figures
    except BaseException:
        violations = 1
        raise
    finally:
        counts = "full" if FULL else "small"
        _write({"promise": name, "counts": counts, **figures, "violations": violations, "pass": not violations})


def _write(entry):
    """Puts an entry in the place of the last one of the same promise. Others may do so at the same time."""
    REPORT.parent.mkdir(exist_ok=True)
    with open(os.open(REPORT, os.O_RDWR | os.O_CREAT, 0o644), "r+") as report:
        fcntl.flock(report, fcntl.LOCK_EX)
        text = report.read()
        entries = [other for other in json.loads(text or "[]") if other["promise"] != entry["promise"]]
        report.seek(0)
        report.truncate()
        json.dump([*entries, entry], report, indent=2)
