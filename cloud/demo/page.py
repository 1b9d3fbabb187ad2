"""The live page of a demo, in a process of its own."""

import re
from pathlib import Path

from rich.console import Console

from cloud.demo.fleet import PYTHON
from messaging.runtime.atomic_files import SECRET_MODE
from messaging.runtime.child_process import ChildProcess

_LINK = re.compile(r"^open (http://\S+)$", re.MULTILINE)


class PageProcess:
    """The live page. The link that logs in, or its end, is printed once; the demo continues without it."""

    def __init__(self, data: Path, log: Path, console: Console) -> None:
        """Start it over the data folder of a running cloud."""
        self._console = console
        log.touch()
        log.chmod(SECRET_MODE)  # the link in it logs in
        arguments: list[str | Path] = [PYTHON, "-m", "dashboards.app", "--data", data]
        self._child = ChildProcess([*arguments, "--port", "0"], log=log)
        self._answers = self._ended = False

    def check(self) -> None:
        """Print a change of state; returns at once."""
        if not self._ended and self._child.poll() is not None:
            self._ended = True
            self._print(
                f"the dashboard ended and the demo continues without it; the end of {self._child.log}: "
                f"{self._child.tail(1)}"
            )
        if not self._answers and not self._ended and (link := self._link()) is not None:
            self._answers = True
            self._print(f"the dashboard is at {link}")

    def stop(self) -> None:
        """End it."""
        self._child.stop()

    def _link(self) -> str | None:
        found = _LINK.search(self._child.log.read_text(errors="replace"))
        return None if found is None else found[1]

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
