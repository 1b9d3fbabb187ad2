"""Reports on their way into one message: how long each may wait, and the open messages they wait in.

An open message is a file from its first report on, a line a report, so that a killed process loses none;
its id is made when it opens and its time is that moment, so that the same file always makes the same bytes.
A closed one stays a file until the broker has it. What the disk does not take gathers in memory alone. What
may wait how long is decided by `BatchingDelays`.
"""

import contextlib
import io
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import BinaryIO

from edge.outbox.spool import Spool, Waiting, waiting_message
from messaging.errors import MessageRefused
from messaging.reports import HazardEvent, HazardState, Report
from messaging.runtime.atomic_files import sync
from messaging.runtime.os_errors import os_error_sentence
from messaging.wire_format.codec import PAYLOADS, Message, encode, kind_of

logger = logging.getLogger(__name__)

URGENT_SEVERITY = 3


@dataclass(frozen=True)
class BatchingDelays:
    """Seconds that a report may wait for others of its kind; 0 is at once.

    `urgent_s` is for hazards of severity 3 and above that opened or grew, `hazard_s` for lesser ones,
    `evidence_s` for hazards that closed and for all evidence.
    """

    urgent_s: float
    hazard_s: float
    evidence_s: float

    def of(self, report: Report) -> float:
        """How long this report may wait."""
        row = PAYLOADS[kind_of(report)]
        if row.max_reports == 1:
            return 0.0
        if isinstance(report, HazardEvent) and report.state is not HazardState.CLOSED:
            return self.urgent_s if report.severity >= URGENT_SEVERITY else self.hazard_s
        return self.evidence_s


@dataclass
class OpenMessage:
    """One message that is still filling. `due_s` is by the outbox's clock.

    `on_disk`: every report so far is in the file.
    """

    message_id: str
    site: str
    kind: str
    at_utc: int
    due_s: float
    file: BinaryIO
    future: "Future[bool]"
    on_disk: bool = True
    reports: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Take a report in; it is on the disk when this returns, unless the disk does not take it."""
        self.reports.append(report)
        if not self.on_disk:
            return
        try:
            self.file.write(report.model_dump_json().encode() + b"\n")
            self.file.flush()
            sync(self.file.fileno())
        except OSError as error:
            self.on_disk = False
            logger.warning(
                "%s reports wait in memory only and would be lost by a crash: %s",
                *(self.kind, os_error_sentence(error)),
            )

    def takes(self, report: Report) -> bool:
        """Whether the message with this report would still be one: not too many, not too long."""
        try:
            encode(self._message([*self.reports, report]))
        except MessageRefused:
            return False
        return True

    def closed(self) -> Waiting:
        """The message as it waits for the broker."""
        with contextlib.suppress(OSError):  # was reported when the report was added; memory is complete
            self.file.close()
        return waiting_message(self._message(self.reports))

    def _message(self, reports: list[Report]) -> Message:
        return Message(self.message_id, self.site, self.at_utc, reports[0], tuple(reports[1:]))


class Batcher:
    """The open messages, one a kind at most. Not thread-safe: the outbox calls it with its lock held."""

    def __init__(self, spool: Spool, site: str, clock: Callable[[], float]) -> None:
        self._spool, self._site, self._clock = spool, site, clock
        self._open: dict[str, OpenMessage] = {}
        self._full: list[OpenMessage] = []

    def add(self, report: Report, wait_s: float, *, new_id: Callable[[], str], at_utc: int) -> "Future[bool]":
        """Put a report into the open message of its kind, opened if there is none.

        The future is that of the message. Raises `MessageRefused` for a report that does not fit its schema.
        """
        kind, now_s = kind_of(report), self._clock()
        found = self._open.get(kind)
        if found is not None and not found.takes(report):
            self._full.append(self._open.pop(kind))
            found = None
        if found is None:
            message_id = new_id()
            encode(Message(message_id, self._site, at_utc, report))
            file, on_disk = self._file(message_id, at_utc, kind)
            found = OpenMessage(message_id, self._site, kind, at_utc, now_s + wait_s, file, Future(), on_disk)
            self._open[kind] = found
        found.due_s = min(found.due_s, now_s + wait_s)
        found.add(report)
        return found.future

    def _file(self, message_id: str, at_utc: int, kind: str) -> tuple[BinaryIO, bool]:
        try:
            return self._spool.open_message(message_id, self._site, at_utc, kind), True
        except OSError as error:
            logger.warning(
                "%s reports gather in memory only and would be lost by a crash: %s",
                *(kind, os_error_sentence(error)),
            )
            return io.BytesIO(), False

    def take_due(self, *, everything: bool = False) -> list[OpenMessage]:
        """Messages that are full or have waited long enough; they are open no more."""
        now_s = self._clock()
        full, self._full = self._full, []
        due = [m for m in self._open.values() if everything or m.due_s <= now_s]
        for message in due:
            del self._open[message.kind]
        return [*full, *due]

    def next_due_s(self) -> float | None:
        """Seconds until the next one is due; None when none is open."""
        if self._full:
            return 0.0
        dues = [message.due_s for message in self._open.values()]
        return max(0.0, min(dues) - self._clock()) if dues else None

    @property
    def waiting(self) -> int:
        """How many messages are open."""
        return len(self._open) + len(self._full)
