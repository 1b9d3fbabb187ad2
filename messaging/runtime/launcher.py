"""Runs a command that ends when its parent ends: `launcher.py PARENT_PID COMMAND ...`.

Sets the parent-death signal (Linux) in a fresh process after exec, which is safe in programs with threads,
and replaces itself by the command. If the parent has ended already it does nothing.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Entry of the process; does not return if the command starts."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    try:
        os.execvp(command[0], command)  # noqa: S606  # becoming the command is its purpose
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
