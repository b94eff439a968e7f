"""Runs a small program twice, each time in a process of its own: on CPython's managers and on ours.

A program is a function of a module that has `SyncManager`; it returns what it found, as JSON can say it. What the tests here
examine are complaints that programs of others' showed. Not examined:

- traceback_of_server_error: what is raised by code of a program's own class has no traceback of the manager's process. Needs
  objects of such classes hosted there. Errors of our kinds have no traceback: no Python code ran.
- missing API, as far as it is that of a program's own classes (their attributes, `__call__`, abstract classes): hosted, too.
- speed: a measurement, and no fault; `make bench-python` makes it.
- named objects, and managers that outlive their program: CPython has nothing to compare with.
"""

import contextlib
import importlib
import json
import multiprocessing
import os
import pathlib
import platform
import signal
import subprocess
import sys
import threading
import time

THEIRS = "multiprocessing.managers"
OURS = "commonhold.multiprocessing"

#: What is said of a program that does not end.
HANGS = "it hangs"
_LONGEST = 60
# The number of the system call that waits for locks, the interpreter's too.
_FUTEX = "98" if platform.machine() == "aarch64" else "202"


def found(program, module, **environment):
    """What a program finds on a module. Whatever it leaves running is killed."""
    file = pathlib.Path(sys.modules[program.__module__].__file__)
    reader, writer = os.pipe()
    child = subprocess.Popen(
        [sys.executable, __file__, file, program.__name__, module, str(writer)],
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[writer],
        start_new_session=True,
    )
    os.close(writer)
    try:
        child.wait(_LONGEST)
    except subprocess.TimeoutExpired:
        return HANGS
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        # All who had these are dead.
        with open(reader) as result, child.stderr:
            told, complaints = result.read(), child.stderr.read().decode()
    assert told, complaints
    return json.loads(told)


def both(program):
    """What a program finds on CPython's managers and on ours."""
    return found(program, THEIRS), found(program, OURS)


def patience(module):
    """For how many seconds is waited: for what CPython never does not for long, for what is right as long as it takes."""
    return 1 if module.__name__ == THEIRS else 30


def until(condition, seconds):
    """Waits until it is so; returns whether it came to that."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def outcome(act, *arguments):
    """What a call returns, or the name of what it raises."""
    try:
        return act(*arguments)
    except Exception as error:
        return type(error).__name__


def killed(act, *arguments):
    """Has a child do something, and kills it as soon as it has."""
    done, tell = multiprocessing.Pipe(False)

    def run():
        act(*arguments)
        tell.send(True)
        signal.pause()

    child = multiprocessing.Process(target=run)
    child.start()
    tell.close()
    assert done.recv()
    child.kill()
    child.join()


def when_blocked(act):
    """Does something in a thread beside as soon as the main thread waits for a manager's reply."""
    main = threading.main_thread().ident
    looks = []

    def blocked():
        frame = sys._current_frames()[main]
        # CPython's connection has sent the call and reads; our queue is being asked.
        while frame is not None and frame.f_code.co_name not in ("_recv", "_do"):
            frame = frame.f_back
        looks.append(frame if _in_system_call() else None)
        # Once it may be on its way to the system call that waits, which a signal does not end before it has begun; or wait for
        # the interpreter, which it has between looks.
        return len(looks) >= 5 and looks[-1] is not None and all(look is looks[-1] for look in looks[-5:])

    def run():
        assert until(blocked, 30)
        act()

    threading.Thread(target=run).start()


def _in_system_call():
    """Does the main thread wait in the kernel, and not for the interpreter?"""
    task = pathlib.Path(f"/proc/self/task/{os.getpid()}")
    try:
        call = (task / "syscall").read_text().split()[0]
    except OSError:
        # A kernel that does not tell; then the interpreter may be it.
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "S"
    return call not in ("running", _FUTEX)


def aside(act, *arguments):
    """Does something in another thread, which has a connection of its own, and waits for it."""
    thread = threading.Thread(target=act, args=arguments)
    thread.start()
    thread.join()


def main(file, name, module, writer):
    sys.path.insert(0, str(pathlib.Path(file).parent))
    multiprocessing.set_start_method("fork")
    program = getattr(importlib.import_module(pathlib.Path(file).stem), name)
    result = json.dumps(program(importlib.import_module(module)))
    with open(int(writer), "w") as told:
        told.write(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
