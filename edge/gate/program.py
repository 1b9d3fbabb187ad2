"""The gate: the one process of a site that holds the hub credential, and the only way out.

It uses two brokers and two folders and has no camera, model or image. Every message to the hub is admitted,
capped, entered in the ledger and then sent; everything from the hub is copied into the mirror. The command is
`blindspot-edge gate --config gate.yaml`.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict

from edge.gate.hub_credentials import HubCredentials
from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import RECEIPT_FILE
from edge.gate.limits.admission import Admission
from edge.gate.limits.asked_requests import AskedRequests
from edge.gate.limits.count_caps import COUNT_LIMITS, CountCaps
from edge.gate.limits.guard import Guard
from edge.gate.limits.heartbeat_pace import HEARTBEAT_LIMITS, HeartbeatPace
from edge.gate.limits.kept_buckets import KeptBuckets, open_buckets
from edge.gate.limits.known_names import KnownNames
from edge.gate.limits.quarantine import Quarantine
from edge.gate.limits.signed_names import SignedReleases
from edge.gate.limits.site_ids import SiteIds
from edge.gate.loop_health import GateHealth, LoopHealth, retried
from edge.gate.lost_messages import LOST_FILE, LostMessages
from edge.gate.metrics import GateMetrics
from edge.gate.mirror import Mirror
from edge.gate.page import GatePage
from edge.gate.rate_cap import RateCap
from edge.gate.receipts import Receipts
from edge.gate.sent_lane import SentLane
from edge.gate.settings import GateSettings
from edge.gate.start_checks import needed, secret_files
from edge.gate.status_file import LOST, UNLISTED, ledger_status, unlisted_before, write_status
from edge.gate.transport import Transport
from edge.gate.uplink import DURABLE, Uplink
from messaging.bus import Link
from messaging.errors import WireError
from messaging.monitoring.health_api import ReadinessReport
from messaging.nats.blobs import NatsBlobs
from messaging.nats.bus import NatsBus
from messaging.nats.connection import NatsConnection
from messaging.nats.streams import prepare_site
from messaging.nats.subjects import RENEWALS, SITE_STREAMS, TUF_BUCKET, WAKE, command_subject
from messaging.nats.written_bytes import WrittenBytes
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.start_checks import DiskAlarm, require, warn_of_readable
from messaging.runtime.stopping import async_stop_on_signals, stopped_within
from messaging.trust.mirrored_requests import MirroredRequests
from messaging.trust.site_signatures import SITE_KEY_FILE, SiteKey
from messaging.trust.site_trust import SiteTrust
from messaging.wire_format.codec import PAYLOADS, Lane

logger = logging.getLogger(__name__)

_LINGER_S = 0.25
_REPORTS_WAIT_S = 2.0
_DAY_S = 86_400


async def run_gate(settings: GateSettings, stop: asyncio.Event) -> None:
    """Run until `stop` is set, also while a broker or a credential is absent, or the disk is full.

    The site's key is made at the first start. Raises `LedgerBroken`, `ConfigurationError`, `StartRefused`.
    """
    page = GatePage()
    with page.served(settings):
        await _run(settings, stop, page)


async def _run(settings: GateSettings, stop: asyncio.Event, page: GatePage) -> None:
    page.metrics.secrets_readable.set(len(warn_of_readable(secret_files(settings))))
    key = SiteKey.read_or_make(settings.site, settings.data_folder / SITE_KEY_FILE)
    trust = SiteTrust.read(settings.trust)
    ledger, connecting = Ledger(settings.ledger_folder, key), LoopHealth()
    transport = Transport(ledger, page.metrics.written, now_utc=time.time, left=unlisted_before(settings))
    site: NatsBus | None = None
    hub: NatsBus | None = None
    try:
        page.readiness = lambda: _not_yet("the site's broker", connecting)
        site = await _connected(settings.site_link, settings, connecting, stop)
        if site is not None:
            await retried(lambda: _prepare_site(site, settings), connecting, stop)
            credentials = HubCredentials(settings)
            page.readiness = lambda: _not_yet("the hub", connecting)
            hub = await _connected_to_hub(
                settings, credentials, ledger, page.metrics.written, connecting, stop
            )
        if site is not None and hub is not None:
            gate = _Gate(settings, (site, hub), (key, trust), ledger, transport, credentials, page.metrics)
            page.readiness = gate.readiness
            await gate.run(stop)
    finally:
        for bus in (site, hub):
            if bus is not None:
                await bus.close()
        transport.enter()
        ledger.close()


class _Gate:
    """The loops of one gate, over two connections that reconnect automatically."""

    def __init__(
        self,
        settings: GateSettings,
        buses: tuple[NatsBus, NatsBus],
        keys: tuple[SiteKey, SiteTrust],
        ledger: Ledger,
        transport: Transport,
        credentials: HubCredentials,
        metrics: GateMetrics,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._site, self._hub = buses
        self._buses = {"the site's broker": self._site, "the hub": self._hub}
        key, trust = keys
        self._ledger, self._transport = ledger, transport
        self._buckets = _buckets(settings, ledger)
        admission = _admission(settings, key, trust, self._buckets, transport)
        self._credentials, self._health = credentials, GateHealth()
        self._disk = DiskAlarm(settings.data_folder)
        cap = RateCap(
            evidence=settings.evidence_limits,
            hazards=settings.hazard_limits,
            spent_today=_bytes_by_lane(ledger.bytes_since(int(time.time()) - _DAY_S)),
            now_s=time.monotonic(),
        )
        lanes = {lane: SentLane(settings.receipt_timeout_s) for lane in SITE_STREAMS}
        self._lost = LostMessages(settings.data_folder / LOST_FILE)
        self._receipts = Receipts(
            key,
            buses,
            director=trust.director,
            ledger=ledger,
            kept=settings.ledger_folder / RECEIPT_FILE,
            ids=admission.ids,
            lanes=lanes,
            lost=self._lost,
            clock=time.monotonic,
        )
        self._uplink = Uplink(
            key,
            buses,
            ledger=ledger,
            lanes=lanes,
            guard=Guard(admission, CountCaps(self._buckets), ledger),
            cap=cap,
            quarantine=Quarantine(settings.data_folder / "quarantine"),
            lost=self._lost,
            clock=time.monotonic,
            now_utc=time.time,
            note_sent=metrics.note_sent,
        )
        self._mirror = Mirror(
            settings.site,
            settings.mirror_folder,
            self._hub,
            metadata=NatsBlobs(self._hub, TUF_BUCKET, prefix=""),
            targets=NatsBlobs(self._hub, partial_folder=settings.data_folder / "partial"),
            max_target_bytes=settings.max_target_bytes,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """All loops until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_up(stop))
            tasks.create_task(self._send_heartbeats(stop))
            tasks.create_task(self._care_for_receipts(stop))
            tasks.create_task(self._fetch_down(stop))
            tasks.create_task(self._renew_credentials(stop))
            tasks.create_task(self._write_status_regularly(stop))
        try:
            self._buckets.close()
        except OSError as error:
            logger.warning("a part of the count caps counts as spent: %s", os_error_sentence(error))

    def readiness(self) -> ReadinessReport:
        """Why the gate does not do its work now, and how each of its loops is."""
        reasons = [f"{name} does not answer" for name, bus in self._buses.items() if not bus.connected]
        loops = self._health.loops
        reasons += [
            f"{name} fails and is tried again: {one.error}" for name, one in loops.items() if one.error
        ]
        return ReadinessReport(reasons, {"loops": {name: asdict(one) for name, one in loops.items()}})

    async def _send_up(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not await retried(self._one_round, self._health.uplink, stop, max_wait_s=_REPORTS_WAIT_S):
                await stopped_within(stop, _LINGER_S / 2)

    async def _send_heartbeats(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await retried(self._uplink.forward_heartbeat, self._health.heartbeats, stop)
            await stopped_within(stop, self._settings.heartbeat_s)

    async def _one_round(self) -> int:
        """Forward hazards, then one batch of evidence; wait for hazards if there is neither."""
        if count := await self._uplink.forward(Lane.HAZARDS):
            return count
        if count := await self._uplink.forward(Lane.EVIDENCE):
            return count
        return await self._uplink.forward(Lane.HAZARDS, timeout_s=_LINGER_S)

    async def _care_for_receipts(self, stop: asyncio.Event) -> None:
        async def take() -> None:
            if self._health.uplink.failures_in_a_row or self._health.receipts.failures_in_a_row:
                await _prepare_site(self._site, self._settings)  # its broker may have lost its disk
            await self._receipts.take()

        while not stop.is_set():
            await retried(take, self._health.receipts, stop)
            more = await retried(self._uplink.send_again, self._health.receipts, stop)
            await retried(self._uplink.send_checkpoint, self._health.receipts, stop)
            await stopped_within(stop, 0.0 if more else self._settings.receipt_s)

    async def _fetch_down(self, stop: asyncio.Event) -> None:
        subject = command_subject(self._settings.site, WAKE)

        async def hinted() -> bool:
            return await self._hub.wait_hint(subject, self._settings.poll_s)

        while not stop.is_set():
            await retried(self._mirror.refresh, self._health.downlink, stop)
            self._health.mirror = self._mirror.missing
            waiting = asyncio.ensure_future(retried(hinted, self._health.downlink, stop))
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (waiting, stopping):
                task.cancel()
            await asyncio.gather(waiting, stopping, return_exceptions=True)

    async def _renew_credentials(self, stop: asyncio.Event) -> None:
        async def renew() -> None:
            self._credentials.refresh()
            renewal = await self._hub.get_latest(RENEWALS, self._settings.site)
            if renewal is not None:
                self._credentials.take(renewal)

        while not stop.is_set():
            await retried(renew, self._health.credentials, stop)
            await stopped_within(stop, self._settings.credentials_s)

    async def _write_status_regularly(self, stop: asyncio.Event) -> None:
        async def write() -> None:
            self._transport.enter_when_due()
            status = await self._status()
            self._note_metrics()
            write_status(self._settings, status)

        while not stop.is_set():
            await retried(write, self._health.status, stop)
            await stopped_within(stop, self._settings.status_s)
        with contextlib.suppress(OSError):
            await write()

    def _note_metrics(self) -> None:
        metrics = self._metrics
        metrics.note_counts(self._uplink.counts, self._receipts.counts, self._ledger)
        metrics.note_lost(self._lost.by_lane)
        metrics.connected.labels("site").set(self._site.connected)
        metrics.connected.labels("hub").set(self._hub.connected)
        metrics.disk_free_bytes.set(self._disk.free_bytes)
        metrics.mirror_complete.set(not self._mirror.missing)
        for name, loop in self._health.loops.items():
            metrics.loop_failures.labels(name).set(loop.failures_in_a_row)
            metrics.loop_success_utc.labels(name).set(loop.last_success_utc)

    async def _status(self) -> dict[str, object]:
        counts, receipts, shown = self._uplink.counts, self._receipts.counts, self._credentials
        queued: dict[Lane, int | None] = {}
        for lane, stream in SITE_STREAMS.items():
            try:
                state = await self._site.stream_state(stream)
                through = await self._site.acknowledged_through(stream, DURABLE)
                queued[lane] = state.last_sequence - through
            except WireError:
                queued[lane] = None
        self._metrics.note_queued(queued)
        return {
            "link": "up" if self._hub.connected and not self._health.uplink.failures_in_a_row else "down",
            "disk": self._disk.check() or "",
            "disk_free_bytes": self._disk.free_bytes,
            "health": asdict(self._health),
            "forwarded": dict(counts.forwarded),
            "duplicates": counts.duplicates,
            "refused": counts.refused,
            "refused_by_reason": dict(counts.refusals),
            "shed": dict(counts.shed),
            "held_back": counts.held_back,
            "queued": {SITE_STREAMS[lane]: number for lane, number in queued.items()},
            "sent_again": counts.sent_again,
            LOST: {SITE_STREAMS[lane]: number for lane, number in self._lost.by_lane.items()},
            "receipt_n": receipts.receipt_n,
            "receipts_refused": receipts.refused,
            "receipt_fault": receipts.fault,
            "ledger_verified": asdict(receipts.ledger) if receipts.ledger else None,
            "purged_through": receipts.purged_through,
            "bytes_written": dict(self._metrics.written.by_kind),
            "bytes_written_today": dict(self._metrics.written.today),
            UNLISTED: self._transport.unlisted().model_dump(),
            "targets": self._mirror.target_count,
            "hub_credentials_valid": shown.credentials.valid_until,
            "hub_certificate_valid": "" if shown.certificate is None else shown.certificate.valid_until,
            **ledger_status(self._ledger),
        }


def run_until_signalled(settings: GateSettings) -> None:
    """Run the gate until SIGTERM or SIGINT. Raises what `run_gate` raises."""
    require(needed(settings))

    async def whole() -> None:
        await run_gate(settings, async_stop_on_signals())

    asyncio.run(whole())


def _buckets(settings: GateSettings, ledger: Ledger) -> KeptBuckets:
    """How many reports and renewals may leave, as an earlier run left it."""
    limits = {**COUNT_LIMITS, **settings.counts, **HEARTBEAT_LIMITS}
    new = not ledger.by_kind.keys() & PAYLOADS.keys()
    return open_buckets(settings.known_folder, limits, new=new, now_utc=int(time.time()))


def _admission(
    settings: GateSettings, key: SiteKey, trust: SiteTrust, buckets: KeptBuckets, transport: Transport
) -> Admission:
    """What this site has reason to report. Raises `StateFileBroken`."""
    known = settings.known_folder
    signed = SignedReleases(known, settings.mirror_folder, trust, time.monotonic)
    names = KnownNames(known / "learnt_names.json", settings.cameras, signed.now)
    mirrored = MirroredRequests(settings.mirror_folder, settings.site, trust.director)
    asked = AskedRequests(mirrored, known, time.time)
    pace = HeartbeatPace(known, buckets)
    return Admission(settings.site, SiteIds(key), names, pace, asked.numbers, transport.bytes_in_all)


async def _prepare_site(site: NatsBus, settings: GateSettings) -> None:
    await prepare_site(site, settings.site, max_bytes=settings.site_stream_bytes)


def _not_yet(broker: str, connecting: LoopHealth) -> ReadinessReport:
    why = f": {connecting.error}" if connecting.error else ""
    return ReadinessReport((f"the gate is not connected to {broker} yet{why}",))


async def _connected(
    link: Callable[[], Link],
    settings: GateSettings,
    connecting: LoopHealth,
    stop: asyncio.Event,
    written: WrittenBytes | None = None,
) -> NatsBus | None:
    """A connection, however long it takes; None when the gate was stopped before."""

    async def connect() -> NatsBus:
        wire = await NatsConnection.connect(link(), timeout_s=settings.timeout_s, written=written)
        return NatsBus(wire, ack_wait_s=settings.ack_wait_s)

    return await retried(connect, connecting, stop)


async def _connected_to_hub(
    settings: GateSettings,
    credentials: HubCredentials,
    ledger: Ledger,
    written: WrittenBytes,
    connecting: LoopHealth,
    stop: asyncio.Event,
) -> NatsBus | None:
    def link() -> Link:
        credentials.refresh()
        return credentials.link()

    with contextlib.suppress(OSError):  # the loop that writes it regularly tries again and logs
        write_status(settings, {"link": "down", **ledger_status(ledger)})
    return await _connected(link, settings, connecting, stop, written)


def _bytes_by_lane(by_kind: Mapping[str, int]) -> Counter[Lane]:
    total: Counter[Lane] = Counter()
    for kind, length_bytes in by_kind.items():
        if kind in PAYLOADS:
            total[PAYLOADS[kind].lane] += length_bytes
    return total
