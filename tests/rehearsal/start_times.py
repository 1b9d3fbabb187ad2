"""How long each program of the page takes from its command until it does its work."""

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from edge.gate.program import STATUS_FILE
from messaging.figures import Figure
from tests.rehearsal.reader import Reader

POLL_S = 0.2
PAGE_ADDRESS = "http://127.0.0.1:8751/"
BROKER_PORT = 4222


class StartTimes:
    """Polls the programs of `reader` in a thread until each is ready; `seconds` are those of each program."""

    def __init__(self, reader: Reader) -> None:
        self.seconds: dict[str, float] = {}
        self._reader = reader
        self._checks = _checks(reader)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> "StartTimes":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()

    @property
    def missing(self) -> list[str]:
        """Programs that have not been ready yet."""
        return [name for name in self._checks if name not in self.seconds]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The times, without targets."""
        return tuple(
            Figure(f"start_s_{name.split()[-1].rpartition('-')[2]}", seconds, "s")
            for name, seconds in self.seconds.items()
        )

    def _poll(self) -> None:
        while self.missing and not self._ending.wait(POLL_S):
            for name in self.missing:
                began = next((at for command, at in self._reader.began if name in command), None)
                if began is not None and self._checks[name]():
                    self.seconds[name] = time.monotonic() - began


def _checks(reader: Reader) -> dict[str, Callable[[], bool]]:
    """Whether a program is ready, by the words of its command."""
    site = reader.folder / "harbour"
    return {
        "blindspot cloud": (reader.folder / "blindspot-data" / "api.json").exists,
        "blindspot-page": _page_answers,
        "blindspot-edge broker": _broker_answers,
        "blindspot-edge gate": (site / "gate" / STATUS_FILE).exists,
        "blindspot-edge node": lambda: any(_says(one.log, "runs with 1 cameras") for one in reader.terminals),
    }


def _says(log: Path, words: str) -> bool:
    return words in log.read_text(errors="replace")


def _page_answers() -> bool:
    try:
        with urllib.request.urlopen(PAGE_ADDRESS, timeout=5.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _broker_answers() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", BROKER_PORT), timeout=1.0) as connection:
            return connection.recv(4) == b"INFO"
    except OSError:
        return False
