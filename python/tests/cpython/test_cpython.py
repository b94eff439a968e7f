"""CPython's own tests of managers pass with this package's classes in their place, however processes are started."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

SUITE = pathlib.Path(__file__).with_name("suite.py")
# Without the tests that need Python code in the manager's process: see HOSTED in suite.py.
NATIVE = 55


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
    done = subprocess.run([sys.executable, SUITE, method], capture_output=True, text=True, timeout=600, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    failed = {name: why for name, (outcome, why, _) in outcomes.items() if outcome == "failed"}
    assert not failed, "\n".join(f"{name}: {why}" for name, why in failed.items()) + done.stderr
    names = {outcome: [name for name, found in outcomes.items() if found[0] == outcome] for outcome, _, _ in outcomes.values()}
    assert len(names["passed"]) >= NATIVE, names
    print(f"{method}: {len(names['passed'])} passed; not attempted:", *names["not attempted"], sep="\n  ")
