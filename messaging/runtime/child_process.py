"""Child programs that never outlive their parent: own process group, parent-death signal, log in a file.

The broker, the cloud's heavy steps and the demo start programs through it. The parent-death signal exists on
Linux only (see `launcher`); elsewhere a child ends with `stop` or when its group is signalled.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launcher.py")


class ChildProcess:
    """One running child. The thread that starts it must live as long as the child should."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        keep_open: Sequence[int] = (),
    ) -> None:
        """Start `arguments`; its output is appended to `log`. `environment` adds to ours.

        `keep_open`: file descriptors that the child inherits, a lock for instance.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_launched(), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                pass_fds=tuple(keep_open),
            )

    @property
    def pid(self) -> int:
        """Process id, also of its group."""
        return self._process.pid

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Exit status, or None when it still runs after `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace_s: float = 10.0) -> int | None:
        """Ask the whole group to end, then kill it; returns the exit status."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            if self.wait(grace_s) is None:
                self._signal(signal.SIGKILL)
        return self.wait(5.0)

    def kill(self) -> None:
        """Kill the whole group at once."""
        self._signal(signal.SIGKILL)
        self.wait(5.0)

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _launched() -> list[str]:
    """The command that starts the child; isolated and without site packages, it takes some 30 ms."""
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
