"""CPython's own tests of managers pass with this package's classes in their place, however processes are started."""

import collections
import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

SUITE = pathlib.Path(__file__).with_name("suite.py")
# How many are run, and how many need Python code in the manager's process (see HOSTED in suite.py). Later Pythons have more.
RUN, HOSTED = 56 if sys.version_info >= (3, 13) else 55, 27


def _is_there():
    try:
        return importlib.util.find_spec("test._test_multiprocessing") is not None
    except ImportError:
        return False


@pytest.mark.skipif(
    not _is_there(),
    reason="this Python comes without its own tests: on Debian and Ubuntu they are in libpython3.*-testsuite",
)
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_cpythons_own_tests_pass(method, tmp_path):
    done = subprocess.run([sys.executable, SUITE, method, "--json"], capture_output=True, text=True, timeout=600, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    failed = {name: why for name, (outcome, why, _) in outcomes.items() if outcome == "failed"}
    assert not failed, "\n".join(f"{name}: {why}" for name, why in failed.items()) + done.stderr
    outcomes.pop("left nothing behind")
    counts = collections.Counter(outcome for outcome, _, _ in outcomes.values())
    found = counts["passed"], counts["not attempted"]
    # Their tests are as they are for good, but those of the newest.
    assert found == (RUN, HOSTED) or sys.version_info >= (3, 13) and found >= (RUN, HOSTED), outcomes
