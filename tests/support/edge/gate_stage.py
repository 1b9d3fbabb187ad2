"""A gate without its program: uplink and receipts between a site and a hub in memory, on the test's clock."""

from collections.abc import Callable, Mapping
from pathlib import Path

from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import RECEIPT_FILE
from edge.gate.limits.admission import Admission
from edge.gate.limits.count_caps import COUNT_LIMITS, CountCaps
from edge.gate.limits.guard import Guard
from edge.gate.limits.heartbeat_pace import HEARTBEAT_LIMITS, HeartbeatPace
from edge.gate.limits.kept_buckets import CountLimit, KeptBuckets, open_buckets
from edge.gate.limits.known_names import KnownNames, Listed
from edge.gate.limits.quarantine import Quarantine
from edge.gate.limits.signed_names import SignedNames
from edge.gate.limits.site_ids import SiteIds
from edge.gate.lost_messages import LOST_FILE, LostMessages
from edge.gate.rate_cap import ByteLimits, RateCap
from edge.gate.receipts import Receipts
from edge.gate.sent_lane import SentLane
from edge.gate.uplink import Uplink
from messaging.bus import Bus, PublishAck
from messaging.errors import WireUnavailable
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import CHECKPOINTS, SITE_STREAMS, report_subject
from messaging.reports import Report
from messaging.wire_format.codec import Lane, Message, encode
from tests.support.messaging.site_keys import director_key, site_key

NOW_UTC = 1_800_000_000.0
RECEIPT_TIMEOUT_S = 60.0
UNLIMITED = ByteLimits(2**30, 2**30)
NO_COUNT_LIMITS = dict.fromkeys(COUNT_LIMITS, CountLimit(at_once=10**6, per_day=10**6))


def report_id(n: int) -> str:
    return f"01JAZ5Y9T4X3Q6M2K8B{n:07d}"


ASKED = frozenset(range(1, 51))
"""Verdict requests that the cloud has signed for site `s1`."""


def subject_and_data(n: int, report: Report, site: str = "s1", *, times: int = 1) -> tuple[str, bytes]:
    message = Message(report_id(n), site, int(NOW_UTC), report, (report,) * (times - 1))
    return report_subject(site, message.kind, message.id), encode(message)


def outgoing_id(n: int) -> str:
    """The id under which the gate of site `s1` sends message `n`."""
    return SiteIds(site_key("s1")).outgoing(report_id(n))


def buckets_of(
    folder: Path,
    counts: Mapping[str, CountLimit] = COUNT_LIMITS,
    *,
    new: bool = True,
    now_utc: float = NOW_UTC,
) -> KeptBuckets:
    """The buckets of a gate with its levels in `folder`; `new`: nothing has left its site yet."""
    limits = {**COUNT_LIMITS, **counts, **HEARTBEAT_LIMITS}
    return open_buckets(folder, limits, new=new, now_utc=int(now_utc))


def admission_of(
    folder: Path,
    signed: Callable[[], SignedNames] = SignedNames,
    listed: Listed | None = None,
    buckets: KeptBuckets | None = None,
    asked: frozenset[int] = ASKED,
) -> Admission:
    """What the gate of site `s1` lets leave; names that nobody lists or signs are learnt."""
    names = KnownNames(folder / "learnt_names.json", listed, signed)
    pace = HeartbeatPace(folder, buckets or buckets_of(folder))
    return Admission("s1", SiteIds(site_key("s1")), names, pace, lambda: asked)


class FlakyHub(MemoryBus):
    """A hub that accepts `messages_left` more reports and heartbeats, then does not respond."""

    messages_left = 10**9

    def _spend(self) -> None:
        if self.messages_left <= 0:
            raise WireUnavailable("the hub does not respond")
        self.messages_left -= 1

    async def publish(
        self, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> PublishAck:
        self._spend()
        return await super().publish(subject, data, message_id=message_id, headers=headers)

    async def put_latest(self, bucket: str, key: str, value: bytes) -> None:
        if bucket != CHECKPOINTS:
            self._spend()
        await super().put_latest(bucket, key, value)


class GateStage:
    """A site `s1`, a hub and the gate between them. `restart` kills the gate: what is on disk is kept."""

    def __init__(
        self, folder: Path, *, evidence: ByteLimits = UNLIMITED, hazards: ByteLimits = UNLIMITED
    ) -> None:
        self.now_s = 0.0
        self.folder = folder
        self.evidence, self.hazards = evidence, hazards
        self.signed = SignedNames()
        self.counts = NO_COUNT_LIMITS
        self.site: Bus = MemoryBus(
            ack_wait_s=0.05, clock=lambda: self.now_s, now_utc=lambda: NOW_UTC + self.now_s
        )
        self.hub = FlakyHub(clock=lambda: self.now_s)
        self.ledger = Ledger(folder / "ledger", site_key("s1"))
        self._build()

    def _build(self) -> None:
        self.cap = RateCap(evidence=self.evidence, hazards=self.hazards, spent_today={}, now_s=self.now_s)
        self.lanes = {lane: SentLane(RECEIPT_TIMEOUT_S) for lane in SITE_STREAMS}
        self.lost = LostMessages(self.folder / LOST_FILE)
        buses = (self.site, self.hub)
        new = self.ledger.head.n == 0
        self.buckets = buckets_of(self.folder, self.counts, new=new, now_utc=NOW_UTC + self.now_s)
        self.admission = admission_of(self.folder, lambda: self.signed, buckets=self.buckets)
        self.uplink = Uplink(
            site_key("s1"),
            buses,
            ledger=self.ledger,
            lanes=self.lanes,
            guard=Guard(self.admission, CountCaps(self.buckets), self.ledger),
            cap=self.cap,
            quarantine=Quarantine(self.folder / "quarantine"),
            lost=self.lost,
            clock=lambda: self.now_s,
            now_utc=lambda: NOW_UTC,
        )
        self.receipts = Receipts(
            site_key("s1"),
            buses,
            director=director_key().public,
            ledger=self.ledger,
            kept=self.folder / "ledger" / RECEIPT_FILE,
            ids=self.admission.ids,
            lanes=self.lanes,
            lost=self.lost,
            clock=lambda: self.now_s,
        )

    async def prepare(self) -> None:
        await prepare_site(self.site, "s1")
        await prepare_hub(self.hub)

    def restart(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self.folder / "ledger", site_key("s1"))
        self._build()

    async def replace_hub(self) -> None:
        """Another hub at the same address, with an empty disk."""
        self.hub = FlakyHub(clock=lambda: self.now_s)
        await prepare_hub(self.hub)
        for part in (self.uplink, self.receipts):
            part._hub_bus = self.hub

    async def put(self, n: int, report: Report, *, times: int = 1) -> None:
        subject, data = subject_and_data(n, report, times=times)
        await self.site.publish(subject, data, message_id=report_id(n))

    async def kept(self, lane: Lane = Lane.HAZARDS) -> int:
        """Messages that the site still has."""
        return (await self.site.stream_state(SITE_STREAMS[lane])).messages
