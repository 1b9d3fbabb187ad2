"""State files: one JSON document each, replaced atomically and validated whenever it is read back.

After a power cut or on a full disk a file can be empty, cut or from another program; `read` never takes such
a file for a state. The caller decides what follows: begin again where nothing is lost, otherwise refuse to
start. A `PatientFile` is for state that a program holds in memory as well: a full or read-only disk never
stops the program.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from messaging.errors import FileFault, StateFileBroken
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.backoff import Backoff
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.text_files import read_bytes

logger = logging.getLogger(__name__)

REMEDY = "restore it from a backup or remove it"
FIRST_WAIT_S, MAX_WAIT_S = 1.0, 30.0
State = TypeVar("State")


class StateFile(Generic[State]):
    """One state of type `state_type` in one file; `remedy` states what to do when it is damaged."""

    def __init__(
        self, path: Path, state_type: type[State] | TypeAdapter[State], *, remedy: str = REMEDY
    ) -> None:
        self.path, self._remedy = path, remedy
        self._adapter: TypeAdapter[State] = (
            state_type if isinstance(state_type, TypeAdapter) else TypeAdapter(state_type)
        )

    def read(self) -> State | None:
        """The state; None if there is no file. Raises `StateFileBroken` for anything that is not one.

        Raises `FileFault` for a file that cannot be read.
        """
        try:
            if not self.path.exists():
                return None
        except OSError as error:
            raise FileFault(os_error_sentence(error)) from None
        data = read_bytes(self.path)
        if not data.strip(b"\0 \n"):
            raise StateFileBroken(f"state file {self.path} is empty; {self._remedy}")
        try:
            return self._adapter.validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise StateFileBroken(
                f"state file {self.path} is damaged ({f'{where}: ' if where else ''}{first['msg']}); "
                f"{self._remedy}"
            ) from None

    def write(self, state: State) -> None:
        """Replace the file; after a crash the old or the new state is there."""
        write_atomically(self.path, self._adapter.dump_json(state))


class PatientFile:
    """A file whose newest content is written as soon as the disk takes it, with growing waits until then.

    Only a crash meanwhile loses content. `what` names it in the log; `clock` gives monotonic seconds. For one
    thread.
    """

    def __init__(self, path: Path, what: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._what, self._clock = path, what, clock
        self._waiting: bytes | None = None
        self._due_s = float("-inf")
        self._waits = Backoff(FIRST_WAIT_S, MAX_WAIT_S)

    @property
    def written(self) -> bool:
        """Whether the newest content is on disk."""
        return self._waiting is None

    def write(self, data: bytes) -> None:
        """Replace the content, now or when the disk takes it."""
        self._waiting = data
        self.retry()

    def retry(self) -> None:
        """Write what waits, if its time has come; cheap when nothing waits, so call it often."""
        if self._waiting is None or self._clock() < self._due_s:
            return
        try:
            write_atomically(self._path, self._waiting)
        except OSError as error:
            if self._waits.failures == 0:
                logger.warning(
                    "%s waits in memory and would be lost by a crash: %s",
                    *(self._what, os_error_sentence(error)),
                )
            self._due_s = self._clock() + self._waits.next_s()
            return
        if self._waits.failures:
            logger.info("%s is on disk again: %s", self._what, self._path)
        self._waiting, self._due_s = None, float("-inf")
        self._waits.reset()
