"""Moves the fleet's reports from the hub into the store: each exactly once, refused ones as dead letters.

A durable consumer of the fleet's stream. A message is acknowledged after its transaction is committed, so a
kill at any point repeats it, and the unique key (site, message id) counts it once. The envelope's site must
equal the subject's, because the broker enforces only who may publish on a subject; what a report states must
agree with what this cloud knows (`report_checks`). Receipts name the highest ledger entry that is committed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

from cloud.fleet.report_checks import Known, RefusalReason, ReportChecks, ReportRefused, reason_of
from cloud.metrics import CloudMetrics
from cloud.store.report_store import Received, ReportStore
from messaging.bus import Bus, Delivery
from messaging.errors import MessageRefused
from messaging.nats.subjects import FLEET_REPORTS, RECEIPTS, parse_report_subject
from messaging.receipts import LedgerPosition, position_in_headers
from messaging.wire_format.codec import PAYLOADS, Lane, Message, decode

logger = logging.getLogger(__name__)

DURABLE = "ingest"


@dataclass(frozen=True)
class IntakeCounts:
    """Numbers of messages handled by one round of intake."""

    new: int = 0
    duplicates: int = 0
    refused: int = 0


@dataclass
class Intake:
    """Moves reports from the hub into the store; one instance per process."""

    bus: Bus
    store: ReportStore
    metrics: CloudMetrics
    checks: ReportChecks
    batch: int = 200
    _receipts: dict[str, int] = field(default_factory=dict)

    async def read_batch(self, *, timeout_s: float = 1.0) -> IntakeCounts:
        """Process one batch: decode, insert, commit, acknowledge, write receipts. Raises `WireError`."""
        deliveries = await self.bus.pull(FLEET_REPORTS, DURABLE, batch=self.batch, timeout_s=timeout_s)
        if not deliveries:
            return IntakeCounts()
        revoked = await asyncio.to_thread(self.store.revoked_sites)
        known = await asyncio.to_thread(self.checks.known_now, _sites(deliveries))
        good: list[Received] = []
        bad: list[tuple[Delivery, MessageRefused]] = []
        for delivery in deliveries:
            try:
                message = admitted(delivery.subject, delivery.data, revoked, known)
                position = position_in_headers(delivery.headers)
                good.append(Received(message, len(delivery.data), position))
            except MessageRefused as error:
                bad.append((delivery, error))
        inserted = await asyncio.to_thread(self.store.insert, good)
        for refused, reason in bad:
            await asyncio.to_thread(self._put_dead_letter, refused, reason)
        await self._settle(deliveries, {id(delivery) for delivery, _ in bad})
        await self._write_receipts()
        self._count(good, inserted.duplicates, [error for _, error in bad])
        return IntakeCounts(inserted.new, inserted.duplicates, len(bad))

    def _put_dead_letter(self, delivery: Delivery, error: MessageRefused) -> None:
        logger.warning("message refused and stored as a dead letter: %s", error)
        self.store.put_dead_letter(
            subject=delivery.subject,
            message_id=delivery.message_id,
            reason=str(error),
            data=delivery.data,
        )
        try:
            site = parse_report_subject(delivery.subject).site
        except MessageRefused:
            return
        self.store.note_ledger(site, position_in_headers(delivery.headers))

    async def _settle(self, deliveries: Sequence[Delivery], refused: set[int]) -> None:
        for delivery in deliveries:
            if id(delivery) in refused:
                await delivery.refuse()
            else:
                await delivery.acknowledge()

    async def _write_receipts(self) -> None:
        for site in await asyncio.to_thread(self.store.sites):
            if site.ledger_n and self._receipts.get(site.site) != site.ledger_n:
                receipt = LedgerPosition(site.ledger_n, site.ledger_hash)
                await self.bus.put_latest(RECEIPTS, site.site, receipt.to_bytes())
                self._receipts[site.site] = site.ledger_n

    def _count(self, good: Sequence[Received], duplicates: int, refused: Sequence[MessageRefused]) -> None:
        for received in good:
            self.metrics.reports.labels(kind=received.message.kind).inc(len(received.message.reports))
        self.metrics.report_duplicates.inc(duplicates)
        for error in refused:
            self.metrics.reports_refused.labels(kind="report", reason=reason_of(error)).inc()


def _sites(deliveries: Iterable[Delivery]) -> set[str]:
    """The sites that the subjects name, where they name one."""
    sites = set()
    for delivery in deliveries:
        with contextlib.suppress(MessageRefused):
            sites.add(parse_report_subject(delivery.subject).site)
    return sites


def admitted(
    subject_text: str, data: bytes, revoked: Set[str], known: Known, *, received_at: int | None = None
) -> Message:
    """Decode and check one message that arrived on a subject, or, if it is a dead letter, that had arrived.

    Raises `MessageRefused` for bad bytes, for a revoked site, when subject and envelope differ, and for a
    report that contradicts what is known.
    """
    subject = parse_report_subject(subject_text)
    if subject.site in revoked:
        raise ReportRefused(
            RefusalReason.REVOKED, f"site {subject.site} is revoked; `blindspot sites add` enrols it again"
        )
    message = decode(data)
    if (message.site, message.kind, message.id) != (subject.site, subject.kind, subject.id):
        raise MessageRefused(
            f"the envelope has site {message.site}, kind {message.kind}, id {message.id}; "
            f"the message arrived on subject {subject_text[:120]}"
        )
    if PAYLOADS[message.kind].lane is Lane.LATEST:
        raise MessageRefused(f"{message.kind} is a last-value message and must not be in the stream")
    known.check(message, received_at=received_at)
    return message
