"""CPython's own tests of managers, with this package's classes in their place: `python suite.py fork [--json] [NAME...]`.

Prints what became of each test: its outcome, its name, and why; as JSON with the seconds that it took. Processes that are spawned
run this file, too, so that they have the same classes.
"""

import json
import multiprocessing
import multiprocessing.managers
import sys
import time
import unittest

import commonhold.multiprocessing
from commonhold.multiprocessing import managers

METHOD = sys.argv[1] if len(sys.argv) > 1 else "fork"

#: Tests that need objects which are Python code in the manager's process, and why.
HOSTED = {
    "TestSyncManagerTypes.test_pool": "a Pool is Python code",
    "WithManagerTestBarrier.test_action": "the action is Python code",
    "WithManagerTestManagerRestart.": "a queue.Queue of the program's own",
    "WithManagerTestMyManager.": "objects of the program's own classes",
    "WithManagerTestPool.": "a Pool is Python code",
    "WithManagerTestRemoteManager.": "a queue.Queue of the program's own, and XML-RPC",
}

#: Of those, what CPython's tests would not run on managers either.
UNFIT = (
    "WithManagerTestPool.test_enter",
    "WithManagerTestPool.test_imap_handle_iterable_exception",
    "WithManagerTestPool.test_imap_unordered_handle_iterable_exception",
    "WithManagerTestPool.test_map_handle_iterable_exception",
    "WithManagerTestPool.test_resource_warning",
)

# What the package has of the module of managers takes its place there.
for _name in dir(multiprocessing.managers):
    _ours = getattr(managers, _name, None)
    if getattr(_ours, "__module__", "").startswith("commonhold."):
        setattr(multiprocessing.managers, _name, _ours)
multiprocessing.Manager = commonhold.multiprocessing.Manager

# Only now: it derives classes from those.
import test._test_multiprocessing as theirs  # noqa: E402

theirs.install_tests_in_module_dict(globals(), METHOD)

#: What is about managers.
CLASSES = [
    name
    for name in list(globals())
    if name.startswith("WithManager") or name in ("TestSyncManagerTypes", "TestInitializers")
]


def name_of(test):
    """A test's class and method."""
    return ".".join(test.id().split(".")[-2:])


class Result(unittest.TestResult):
    """What became of each test, by its name."""

    def __init__(self):
        super().__init__()
        self.outcomes = {}
        self._begun = time.monotonic()

    def startTest(self, test):
        super().startTest(test)
        self._begun = time.monotonic()

    def note(self, test, outcome, why=""):
        self.outcomes[name_of(test)] = outcome, why, round(time.monotonic() - self._begun, 2)

    def addSuccess(self, test):
        self.note(test, "passed")

    def addSkip(self, test, reason):
        self.note(test, "skipped", reason)

    def addFailure(self, test, error):
        self.note(test, "failed", self._exc_info_to_string(error, test))

    addError = addFailure

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.note(test, "failed", self._exc_info_to_string(error, test))


def main(names):
    """Runs the tests whose names begin so, or all, in their order; returns what became of them."""
    loader, result, suite = unittest.TestLoader(), Result(), unittest.TestSuite()
    for test in (test for name in CLASSES for test in loader.loadTestsFromTestCase(globals()[name])):
        name = name_of(test)
        hosted = [why for begin, why in HOSTED.items() if name.startswith(begin)]
        if names and not name.startswith(names):
            continue
        if hosted and not names:
            result.note(test, "skipped" if name in UNFIT else "not attempted", hosted[0])
        else:
            suite.addTest(test)
    suite.run(result)
    # The suite reports to CPython's own runner by this when objects or processes are left over.
    result.outcomes["left nothing behind"] = "failed" if theirs.test.support.environment_altered else "passed", "", 0
    return result.outcomes


if __name__ == "__main__":
    outcomes = main(tuple(name for name in sys.argv[2:] if name != "--json"))
    if "--json" in sys.argv:
        print(json.dumps(outcomes))
    else:
        for name, (outcome, why, _) in sorted(outcomes.items(), key=lambda item: item[1][0]):
            print(f"{outcome:15}{name}", why, sep="  ")
