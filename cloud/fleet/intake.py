"""Moves the fleet's reports from the hub into the store: each exactly once, refused ones as dead letters.

A durable consumer of the fleet's stream. A message is acknowledged after its transaction is committed, so a
kill at any point repeats it, and the unique key (site, message id) counts it once. Only what the
site's key has signed is stored. The envelope's site must equal the subject's; what a report states must agree
with what this cloud knows (`report_checks`). Receipts state how far each lane of a site is committed.
The consumer is named after the database, so that an empty one reads all that the hub still has.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from cloud.failure_modes.automatic_quarantine import ImpossibleReports
from cloud.fleet.receipt_writer import CheckpointIntake, ReceiptWriter
from cloud.fleet.report_checks import (
    IMPOSSIBLE,
    Known,
    RefusalReason,
    ReportChecks,
    ReportRefused,
    reason_of,
)
from cloud.metrics import CloudMetrics
from cloud.store.lane_progress import Arrival
from cloud.store.report_insertion import Received
from cloud.store.report_store import ReportStore
from cloud.tracing import NO_SPANS, Spans
from messaging.bus import Bus, Delivery, acknowledge_all
from messaging.errors import MessageRefused, TrustError
from messaging.nats.subjects import FLEET_REPORTS, parse_report_subject, published_subject
from messaging.receipts import ReportHeader
from messaging.trust.keys import PublicKey
from messaging.trust.site_signatures import verified_header
from messaging.wire_format.codec import PAYLOADS, Lane, Message, decode

logger = logging.getLogger(__name__)

DURABLE = "ingest"
KEY_ATTEMPTS = 30
KEY_WAIT_S = 30.0
"""A report of a site without a key waits so often and so long for its checkpoint, which the gate repeats."""


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
    receipts: ReceiptWriter
    checkpoints: CheckpointIntake
    batch: int = 200
    spans: Spans = NO_SPANS
    impossible: ImpossibleReports = field(default_factory=lambda: ImpossibleReports(time.monotonic))
    _begun: bool = False

    def __post_init__(self) -> None:
        for reason in RefusalReason:  # from zero, so that a scrape sees the first one as an increase
            self.metrics.reports_refused.labels(kind="report", reason=reason)

    @property
    def durable(self) -> str | None:
        """The name of the consumer at the hub; None before the first batch."""
        return f"{DURABLE}-{self.receipts.database}" if self.receipts.database else None

    async def read_batch(self, *, timeout_s: float = 1.0) -> IntakeCounts:
        """Process one batch: decode, insert, commit, acknowledge, write receipts. Raises `WireError`."""
        if not self._begun:
            await self.receipts.begin()
        self._begun = False  # again after a failure: the hub may be another one
        counts = await self._batch(timeout_s)
        self._begun = True
        return counts

    async def _batch(self, timeout_s: float) -> IntakeCounts:
        assert self.durable is not None
        deliveries = await self.bus.pull(FLEET_REPORTS, self.durable, batch=self.batch, timeout_s=timeout_s)
        if not deliveries:
            await self.receipts.write()
            return IntakeCounts()
        with self.spans.span("intake batch", messages=len(deliveries)) as note:
            counts = await self._taken(deliveries)
            for name, number in vars(counts).items():
                note(name, number)
        return counts

    async def _taken(self, deliveries: Sequence[Delivery]) -> IntakeCounts:
        began = time.perf_counter()
        sites = _sites(deliveries)
        keys = await self.checkpoints.keys(sites)
        revoked = await asyncio.to_thread(self.store.revoked_sites)
        known = await asyncio.to_thread(self.checks.known_now, sites)
        deliveries = await _with_key(deliveries, keys.keys() | revoked)
        good: list[Received] = []
        bad: list[tuple[Delivery, MessageRefused, ReportHeader | None]] = []
        arrivals: list[Arrival] = []
        for delivery in deliveries:
            header = None
            try:
                header = _signed_header(delivery, keys, revoked)
                arrivals.append(_arrival(delivery, header))
                message = admitted(_subject(delivery), delivery.data, revoked, known)
                good.append(Received(message, len(delivery.data), header.ledger))
            except MessageRefused as error:
                bad.append((delivery, error, header))
        inserted = await asyncio.to_thread(self.store.insert, good)
        for refused, reason, header in bad:
            await asyncio.to_thread(self._put_dead_letter, refused, reason, header)
        await asyncio.to_thread(self.receipts.store.settle, arrivals)
        await self._settle(deliveries, {id(delivery) for delivery, *_ in bad})
        await self.receipts.write(arrival.site for arrival in arrivals)
        self._count(good, inserted.duplicates, [error for _, error, _ in bad])
        self._note_impossible(good, bad)
        self.metrics.intake_s.observe(time.perf_counter() - began)
        return IntakeCounts(inserted.new, inserted.duplicates, len(bad))

    def _put_dead_letter(
        self, delivery: Delivery, error: MessageRefused, header: ReportHeader | None
    ) -> None:
        logger.warning("message refused and stored as a dead letter: %s", error)
        self.store.put_dead_letter(
            subject=_subject(delivery),
            message_id=delivery.message_id,
            reason=str(error),
            data=delivery.data,
            signed=header is not None,
        )
        if header is not None:
            self.store.note_ledger(parse_report_subject(_subject(delivery)).site, header.ledger)

    def _note_impossible(
        self,
        good: Sequence[Received],
        bad: Sequence[tuple[Delivery, MessageRefused, ReportHeader | None]],
    ) -> None:
        """Count what each site has signed, and what of it cannot be."""
        signed = Counter(one.message.site for one in good)
        impossible: Counter[str] = Counter()
        for delivery, error, header in bad:
            if header is not None:
                site = parse_report_subject(_subject(delivery)).site
                signed[site] += 1
                impossible[site] += reason_of(error) in IMPOSSIBLE
        for site, messages in signed.items():
            self.impossible.note(site, messages, impossible[site])

    async def _settle(self, deliveries: Sequence[Delivery], refused: set[int]) -> None:
        """Wait for the hub's answer once for all that are good, and once for each that is refused."""
        await asyncio.gather(*(one.refuse() for one in deliveries if id(one) in refused))
        await acknowledge_all([one for one in deliveries if id(one) not in refused])

    def _count(self, good: Sequence[Received], duplicates: int, refused: Sequence[MessageRefused]) -> None:
        for received in good:
            kind = received.message.kind
            self.metrics.reports.labels(kind=kind).inc(len(received.message.reports))
            self.metrics.received_bytes.labels(kind=kind).inc(received.length_bytes)
        self.metrics.report_duplicates.inc(duplicates)
        for error in refused:
            self.metrics.reports_refused.labels(kind="report", reason=reason_of(error)).inc()


def _subject(delivery: Delivery) -> str:
    return published_subject(delivery.subject, delivery.message_id)


def _sites(deliveries: Iterable[Delivery]) -> set[str]:
    """The sites that the subjects name, where they name one."""
    sites = set()
    for delivery in deliveries:
        with contextlib.suppress(MessageRefused):
            sites.add(parse_report_subject(_subject(delivery)).site)
    return sites


async def _with_key(deliveries: Sequence[Delivery], sites: Set[str]) -> list[Delivery]:
    """The deliveries of these sites; others come again later, or now if they have waited long enough."""
    now: list[Delivery] = []
    for delivery in deliveries:
        if delivery.attempt <= KEY_ATTEMPTS and not _sites([delivery]) <= sites:
            await delivery.retry_later(KEY_WAIT_S)
        else:
            now.append(delivery)
    return now


def _signed_header(delivery: Delivery, keys: Mapping[str, PublicKey], revoked: Set[str]) -> ReportHeader:
    """What the site's gate states beside a report. Raises `MessageRefused` unless the site has signed it."""
    subject = _subject(delivery)
    site = parse_report_subject(subject).site
    if site in revoked:
        raise _revoked(site)
    if site not in keys:
        raise ReportRefused(
            RefusalReason.SIGNATURE, f"site {site} has shown no key; its gate must be updated"
        )
    try:
        return verified_header(keys[site], subject, delivery.headers, delivery.data)
    except TrustError as error:
        raise ReportRefused(RefusalReason.SIGNATURE, str(error)) from None


def _arrival(delivery: Delivery, header: ReportHeader) -> Arrival:
    """The place of a delivery in its lane, whatever it holds."""
    subject = parse_report_subject(_subject(delivery))
    return Arrival(subject.site, PAYLOADS[subject.kind].lane, header.place, header.ledger)


def _revoked(site: str) -> ReportRefused:
    return ReportRefused(
        RefusalReason.REVOKED, f"site {site} is revoked; `blindspot sites add` enrols it again"
    )


def admitted(
    subject_text: str, data: bytes, revoked: Set[str], known: Known, *, received_at: int | None = None
) -> Message:
    """Decode and check one message that arrived on a subject, or, if it is a dead letter, that had arrived.

    Raises `MessageRefused` for bad bytes, for a revoked site, when subject and envelope differ, and for a
    report that contradicts what is known.
    """
    subject = parse_report_subject(subject_text)
    if subject.site in revoked:
        raise _revoked(subject.site)
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
