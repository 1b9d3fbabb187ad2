"""The open hazard events of one camera on disk, so that a restarted node continues them.

The last report of each is stored: the restarted node continues the event under the same id, or closes it.
While the disk takes nothing, the events stay in memory and are written as soon as it does; a crash meanwhile
loses the changes since the last write, so that the restarted node continues from an older report.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from messaging.errors import StateFileBroken
from messaging.reports import HazardEvent, HazardState
from messaging.runtime.state_files import PatientFile, StateFile

logger = logging.getLogger(__name__)

_EVENTS = TypeAdapter(tuple[HazardEvent, ...])


class OpenHazards:
    """One file; written only when an event opens, changes or closes."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the events that were open when the node ended; a damaged file is set aside.

        Raises `FileFault` for a file that cannot be read. `clock`: monotonic seconds.
        """
        self._path = path
        self._file = PatientFile(path, f"the list of open hazards of camera {path.stem}", clock=clock)
        self._open = {event.event: event for event in self._read()}

    @property
    def events(self) -> tuple[HazardEvent, ...]:
        """The open events, each as it was last reported."""
        return tuple(self._open.values())

    def record(self, reports: Sequence[HazardEvent]) -> None:
        """Store the events of these reports; closed ones are removed. Called for every frame."""
        for event in reports:
            self._open.pop(event.event, None)
            if event.state is not HazardState.CLOSED:
                self._open[event.event] = event
        if reports:
            self._file.write(_EVENTS.dump_json(self.events))
        else:
            self._file.retry()

    def _read(self) -> tuple[HazardEvent, ...]:
        try:
            return StateFile(self._path, _EVENTS).read() or ()
        except StateFileBroken as error:
            aside = self._path.with_suffix(".damaged")
            self._path.replace(aside)
            logger.warning("%s; kept as %s, no event is open", error, aside.name)
            return ()
