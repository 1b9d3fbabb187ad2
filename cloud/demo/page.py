"""The live page of a demo, in a process of its own."""

import socket
from pathlib import Path

from rich.console import Console

from cloud.demo.fleet import PYTHON
from messaging.nats.broker import free_port
from messaging.runtime.child_process import ChildProcess


class PageProcess:
    """The live page. Its address, or that it ended, is printed once; the demo continues without it."""

    def __init__(self, data: Path, log: Path, console: Console) -> None:
        """Start it over the data folder of a running cloud."""
        self._console, self._address = console, ("127.0.0.1", free_port())
        arguments: list[str | Path] = [PYTHON, "-m", "dashboards.app", "--data", data]
        self._child = ChildProcess([*arguments, "--port", str(self._address[1])], log=log)
        self._answers = self._ended = False

    def check(self) -> None:
        """Print a change of state; returns at once."""
        if not self._ended and self._child.poll() is not None:
            self._ended = True
            self._print(
                f"the dashboard ended and the demo continues without it; the end of {self._child.log}: "
                f"{self._child.tail(1)}"
            )
        if not self._answers and not self._ended and _listens(self._address):
            self._answers = True
            self._print(f"the dashboard is at http://{self._address[0]}:{self._address[1]}")

    def stop(self) -> None:
        """End it."""
        self._child.stop()

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _listens(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=1.0):
            return True
    except OSError:
        return False
