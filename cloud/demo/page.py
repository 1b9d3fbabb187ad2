"""The live page beside a demo, a process of its own."""

import socket
from pathlib import Path

from rich.console import Console

from cloud.demo.fleet import PYTHON
from messaging.nats.broker import free_port
from messaging.runtime.child_process import ChildProcess


class PageProcess:
    """The live page. The loop goes on without it; that it answers, or that it ended, is told once."""

    def __init__(self, data: Path, log: Path, console: Console) -> None:
        """Start it over the data folder of a running cloud."""
        self._console, self._address = console, ("127.0.0.1", free_port())
        arguments: list[str | Path] = [PYTHON, "-m", "dashboards.app", "--data", data]
        self._child = ChildProcess([*arguments, "--port", str(self._address[1])], log=log)
        self._answers = self._ended = False

    def look(self) -> None:
        """Tell what is new; returns at once."""
        if not self._ended and self._child.poll() is not None:
            self._ended = True
            self._tell(
                f"the dashboard ended and the run goes on without it; {self._child.log} says: "
                f"{self._child.tail(1)}"
            )
        if not self._answers and not self._ended and _listens(self._address):
            self._answers = True
            self._tell(f"the dashboard is at http://{self._address[0]}:{self._address[1]}")

    def stop(self) -> None:
        """End it."""
        self._child.stop()

    def _tell(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _listens(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=1.0):
            return True
    except OSError:
        return False
