"""The open hazard events of one camera on disk, so that a restarted node continues them.

The last report of each is stored: the restarted node continues the event under the same id, or closes it.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from messaging.reports import HazardEvent, HazardState
from messaging.runtime.atomic_files import write_atomically

logger = logging.getLogger(__name__)

_EVENTS = TypeAdapter(tuple[HazardEvent, ...])


class OpenHazards:
    """One file; written only when an event opens, changes or closes."""

    def __init__(self, path: Path) -> None:
        """Read the events that were open when the node ended; a damaged file is set aside."""
        self._path = path
        self._open = {event.event: event for event in self._read()}

    @property
    def events(self) -> tuple[HazardEvent, ...]:
        """The open events, each as it was last reported."""
        return tuple(self._open.values())

    def record(self, reports: Sequence[HazardEvent]) -> None:
        """Store the events of these reports; closed ones are removed."""
        if not reports:
            return
        for event in reports:
            self._open.pop(event.event, None)
            if event.state is not HazardState.CLOSED:
                self._open[event.event] = event
        write_atomically(self._path, _EVENTS.dump_json(self.events))

    def _read(self) -> tuple[HazardEvent, ...]:
        if not self._path.exists():
            return ()
        try:
            return _EVENTS.validate_json(self._path.read_bytes())
        except ValidationError as error:
            aside = self._path.with_suffix(".damaged")
            self._path.replace(aside)
            logger.warning(
                "open hazards in %s cannot be read (%d faults); kept as %s",
                self._path,
                error.error_count(),
                aside.name,
            )
            return ()
