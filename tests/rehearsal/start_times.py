"""How long each program of the page takes from its command until it does its work."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from messaging.figures import Figure
from tests.rehearsal.reader import Reader

POLL_S = 0.2


@dataclass(frozen=True)
class Program:
    """One program. `words` are in the command that starts it; `ready` tells whether it does its work."""

    name: str
    words: str
    ready: Callable[[], bool]


class StartTimes:
    """Polls the programs of `reader` in a thread until each is ready; `seconds` are those of each program."""

    def __init__(self, reader: Reader, programs: Sequence[Program]) -> None:
        self.seconds: dict[str, float] = {}
        self._reader = reader
        self._programs = programs
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
        return [program.name for program in self._programs if program.name not in self.seconds]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The times, without targets."""
        return tuple(Figure(f"start_s_{name}", seconds, "s") for name, seconds in self.seconds.items())

    def _poll(self) -> None:
        while self.missing and not self._ending.wait(POLL_S):
            for program in self._programs:
                began = next((c.began for c in self._reader.commands if program.words in c.text), None)
                if program.name not in self.seconds and began is not None and program.ready():
                    self.seconds[program.name] = time.monotonic() - began
