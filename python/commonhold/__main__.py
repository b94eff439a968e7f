"""The command `commonhold`: `python -m commonhold` is the same."""

import signal
import sys

from commonhold import _native


def main():
    # The command waits outside of the interpreter, which would not hear of Ctrl-C before it is done.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    program = [sys.executable, "-m", "commonhold"]
    sys.exit(_native.command(program, ["commonhold", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
