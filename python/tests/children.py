"""Processes beside the test's own."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import commonhold


class Tick(Exception):
    """A signal came."""


class Ticks:
    """A block in which a signal can be had to raise a `Tick` in this thread, once."""

    def __init__(self):
        self.armed = False

    def __enter__(self):
        self._before = signal.signal(signal.SIGALRM, self._tick)
        return self

    def __exit__(self, *_):
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def arm(self, time):
        """Has it raised after so many seconds, unless `armed` is false by then. It is when it was raised."""
        self.armed = True
        signal.setitimer(signal.ITIMER_REAL, time)

    def until_then(self, act):
        """Has something done again and again."""
        # A loop of its own: where one ends a `try` block, its jump back is in no `try` of CPython 3.13's.
        while self.armed:
            act()

    def _tick(self, _number, _frame):
        if self.armed:
            self.armed = False
            raise Tick


def wait_for(child):
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def fork(act):
    """Runs something in a child that ends without the parent's cleaning up."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    return child


class Program:
    """A Python program that finds the server by its environment, and is talked to by lines."""

    def __init__(self, server, program):
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import commonhold, signal\n" + program],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Whoever is started in the background of a shell inherits that Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def line(self):
        return self.process.stdout.readline().strip()

    def ctrl_c(self):
        self.process.send_signal(signal.SIGINT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def program(server, text):
    it = Program(server, text)
    try:
        yield it
    finally:
        it.close()


class Thread:
    """Something that runs beside, whose result or exception is told by `result`."""

    def __init__(self, act, *arguments):
        self._outcome = None
        self._thread = threading.Thread(target=self._run, args=(act, *arguments))
        self._thread.start()

    def _run(self, act, *arguments):
        try:
            self._outcome = act(*arguments), None
        except BaseException as error:
            self._outcome = None, error

    def result(self):
        self._thread.join(timeout=30)
        assert self._outcome is not None, "it goes on for too long"
        value, error = self._outcome
        if error is not None:
            raise error
        return value


def until(condition, seconds=20):
    """Waits until it is so. What is awaited is seen by asking, and each question is a call."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def waiting(ch, name):
    """How many wait for an object, which need not be there yet."""
    try:
        return ch.who(name)["waiting_count"]
    except commonhold.NotFound:
        return 0
