"""Forwarding: admitted messages leave once and are listed, others stay; the site purges on receipt."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from edge.gate.admission import admitted, admitted_heartbeat
from edge.gate.ledger import Ledger, verify
from edge.gate.rate_cap import ByteLimits, RateCap
from edge.gate.uplink import DURABLE, Uplink
from messaging.bus import Bus, PublishAck
from messaging.errors import MessageRefused, WireUnavailable
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import FLEET_REPORTS, HEARTBEATS, RECEIPTS, report_subject
from messaging.receipts import LedgerPosition, position_in_headers
from messaging.reports import Report
from messaging.wire_format.codec import MAX_MESSAGE_BYTES, Lane, Message, encode
from tests.support.messaging.samples import HAZARD, HEARTBEAT, PROTOTYPE, SAMPLES

NOW_UTC = 1_800_000_000.0


def _id(n: int) -> str:
    return f"01JAZ5Y9T4X3Q6M2K8B{n:07d}"


def _subject_and_data(n: int, report: Report, site: str = "s1", *, times: int = 1) -> tuple[str, bytes]:
    message = Message(_id(n), site, int(NOW_UTC), report, (report,) * (times - 1))
    return report_subject(site, message.kind, message.id), encode(message)


class FlakyHub(MemoryBus):
    """A hub that accepts `messages_left` more messages, then does not respond."""

    messages_left = 10**9

    async def publish(
        self, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> PublishAck:
        if self.messages_left <= 0:
            raise WireUnavailable("the hub does not respond")
        self.messages_left -= 1
        return await super().publish(subject, data, message_id=message_id, headers=headers)


class Stage:
    """A site, a hub and the uplink between them, all in memory."""

    def __init__(self, folder: Path, *, bytes_per_minute: int = 2**20) -> None:
        self.site, self.hub = MemoryBus(ack_wait_s=0.05), FlakyHub()
        self.folder = folder
        self.now_s = 0.0
        self.ledger = Ledger(folder / "ledger")
        self.uplink = self._uplink(bytes_per_minute)

    def _uplink(self, bytes_per_minute: int) -> Uplink:
        limits = ByteLimits(bytes_per_minute, 2**30)
        cap = RateCap(evidence=limits, hazards=limits, spent_today={}, now_s=self.now_s)
        return Uplink(
            "s1",
            (self.site, self.hub),
            ledger=self.ledger,
            cap=cap,
            quarantine=self.folder / "quarantine",
            clock=lambda: self.now_s,
            now_utc=lambda: NOW_UTC,
        )

    def restart(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self.folder / "ledger")
        self.uplink = self._uplink(2**20)

    async def put(self, n: int, report: Report, *, times: int = 1) -> None:
        subject, data = _subject_and_data(n, report, times=times)
        await self.site.publish(subject, data, message_id=_id(n))

    async def received(self) -> list[str]:
        return [d.message_id for d in await self.hub.pull(FLEET_REPORTS, "test", batch=1000, timeout_s=0.0)]

    async def receipt(self, n: int) -> None:
        await self.hub.put_latest(RECEIPTS, "s1", LedgerPosition(n, "00").to_bytes())
        await self.uplink.take_receipt()


def _play(stage: Stage, scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await prepare_site(stage.site, "s1")
        await prepare_hub(stage.hub)
        await scenario()
        stage.ledger.close()

    asyncio.run(whole())
    verify(stage.folder / "ledger")


def test_a_report_leaves_once_with_its_ledger_position(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def scenario() -> None:
        await stage.put(1, HAZARD)
        assert await stage.uplink.forward(Lane.HAZARDS) == 1
        assert await stage.uplink.forward(Lane.HAZARDS) == 0
        (delivery,) = await stage.hub.pull(FLEET_REPORTS, "test")
        assert (delivery.subject, delivery.data) == _subject_and_data(1, HAZARD)
        assert position_in_headers(delivery.headers) == stage.ledger.head
        assert stage.uplink.counts.forwarded == {"hazard": 1}
        assert await stage.site.acknowledged_through("HAZARDS", DURABLE) == 1

    _play(stage, scenario)


def test_when_the_hub_is_lost_within_a_batch_the_rest_leaves_later_and_nothing_twice(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def scenario() -> None:
        for n in range(10):
            await stage.put(n, HAZARD)
        stage.hub.messages_left = 4
        with pytest.raises(WireUnavailable):
            await stage.uplink.forward(Lane.HAZARDS)
        stage.hub.messages_left = 10**9
        while len(stage.uplink.counts.forwarded) and stage.uplink.counts.forwarded["hazard"] < 10:
            await stage.uplink.forward(Lane.HAZARDS, timeout_s=1.0)
        assert sorted(await stage.received()) == [_id(n) for n in range(10)]
        assert stage.ledger.head.n == 10

    _play(stage, scenario)


def test_a_gate_killed_after_the_ledger_sends_again_under_the_same_entry(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def scenario() -> None:
        await stage.put(1, HAZARD)
        stage.hub.messages_left = 0
        with pytest.raises(WireUnavailable):
            await stage.uplink.forward(Lane.HAZARDS)
        stage.restart()
        stage.hub.messages_left = 10
        assert await stage.uplink.forward(Lane.HAZARDS, timeout_s=2.0) == 1
        assert stage.ledger.head.n == 1
        assert await stage.received() == [_id(1)]

    _play(stage, scenario)


REFUSALS: list[tuple[str, str, str, bytes]] = [
    (
        "another site's subject",
        report_subject("s2", "hazard", _id(1)),
        _id(1),
        _subject_and_data(1, HAZARD)[1],
    ),
    (
        "another site's envelope",
        report_subject("s1", "hazard", _id(1)),
        _id(1),
        _subject_and_data(1, HAZARD, "s2")[1],
    ),
    ("another kind", report_subject("s1", "verdict", _id(1)), _id(1), _subject_and_data(1, HAZARD)[1]),
    (
        "another id in the subject",
        report_subject("s1", "hazard", _id(2)),
        _id(1),
        _subject_and_data(1, HAZARD)[1],
    ),
    (
        "another id of the delivery",
        report_subject("s1", "hazard", _id(1)),
        _id(2),
        _subject_and_data(1, HAZARD)[1],
    ),
    ("an image", report_subject("s1", "hazard", _id(1)), _id(1), b"\xff\xd8\xff\xe0JFIF" + bytes(500)),
    (
        "JSON of an older version",
        report_subject("s1", "hazard", _id(1)),
        _id(1),
        b'{"data":"' + b"A" * 4000 + b'"}',
    ),
    ("over the cap", report_subject("s1", "hazard", _id(1)), _id(1), b" " * 9000),
]


@pytest.mark.parametrize(("why", "subject", "message_id", "data"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_a_message_that_breaks_a_rule_is_not_admitted(
    why: str, subject: str, message_id: str, data: bytes
) -> None:
    with pytest.raises(MessageRefused):
        admitted("s1", subject, message_id, data)


def test_a_message_that_is_not_admitted_is_set_aside_counted_and_never_sent(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def scenario() -> None:
        await stage.site.publish(
            report_subject("s1", "hazard", _id(1)), b"\xff\xd8\xff\xe0", message_id=_id(1)
        )
        await stage.put(2, HAZARD)
        await stage.uplink.forward(Lane.HAZARDS)
        assert await stage.received() == [_id(2)]
        assert stage.uplink.counts.refused == 1
        (kept,) = (tmp_path / "quarantine").glob("*.bin")
        assert kept.read_bytes() == b"\xff\xd8\xff\xe0"
        assert await stage.site.acknowledged_through("HAZARDS", DURABLE) == 2
        assert stage.ledger.head.n == 1

    _play(stage, scenario)


def test_an_id_used_again_for_other_bytes_does_not_leave_and_delays_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def scenario() -> None:
        await stage.put(1, HAZARD)
        await stage.uplink.forward(Lane.HAZARDS)
        other = _subject_and_data(1, HAZARD.model_copy(update={"severity": 1}))
        await stage.site.publish(other[0], other[1], message_id="")
        stage.site._streams["HAZARDS"].messages[-1] = (
            stage.site._streams["HAZARDS"].messages[-1].__class__(2, other[0], other[1], _id(1), {})
        )
        await stage.put(3, HAZARD)
        await stage.uplink.forward(Lane.HAZARDS)
        assert await stage.received() == [_id(1), _id(3)]
        assert stage.uplink.counts.refused == 1

    _play(stage, scenario)


def test_bytes_appended_to_a_message_by_its_sender_do_not_leave() -> None:
    subject, data = _subject_and_data(1, HAZARD)
    assert admitted("s1", subject, _id(1), data).data == data
    for sloppy in (data + b"note", b"note" + data, data + bytes(1)):
        with pytest.raises(MessageRefused):
            admitted("s1", subject, _id(1), sloppy)


@pytest.mark.parametrize("kind", sorted(set(SAMPLES) - {"heartbeat"}))
def test_every_kind_of_the_table_is_admitted(kind: str) -> None:
    subject, data = _subject_and_data(1, SAMPLES[kind])
    assert admitted("s1", subject, _id(1), data).data == data


def test_a_heartbeat_travels_as_a_last_value_only(tmp_path: Path) -> None:
    subject, data = _subject_and_data(1, HEARTBEAT)
    with pytest.raises(MessageRefused, match="last value"):
        admitted("s1", subject, _id(1), data)
    with pytest.raises(MessageRefused, match="stream message"):
        admitted_heartbeat("s1", _subject_and_data(1, HAZARD)[1])
    stage = Stage(tmp_path)

    async def scenario() -> None:
        assert not await stage.uplink.forward_heartbeat()
        await stage.site.put_latest(HEARTBEATS, "s1", data)
        assert await stage.uplink.forward_heartbeat()
        assert not await stage.uplink.forward_heartbeat()
        assert await stage.hub.get_latest(HEARTBEATS, "s1") == data
        assert stage.ledger.head.n == 1
        await stage.site.put_latest(HEARTBEATS, "s1", b"\x00")
        assert not await stage.uplink.forward_heartbeat()
        assert stage.uplink.counts.refused == 1

    _play(stage, scenario)


def test_the_site_purges_only_what_is_acknowledged_and_receipted(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def left() -> int:
        return (await stage.site.stream_state("HAZARDS")).messages

    async def scenario() -> None:
        for n in range(6):
            await stage.put(n, HAZARD)
        await stage.uplink.forward(Lane.HAZARDS)
        await stage.uplink.take_receipt()
        assert await left() == 6
        await stage.receipt(4)
        assert await left() == 2
        for n in range(6, 8):
            await stage.put(n, HAZARD)
        await stage.receipt(6)
        assert await left() == 2
        await stage.receipt(1_000_000)
        assert await left() == 2

    _play(stage, scenario)


def test_after_a_restart_nothing_is_purged_before_the_old_entries_are_receipted(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def scenario() -> None:
        for n in range(3):
            await stage.put(n, HAZARD)
        await stage.uplink.forward(Lane.HAZARDS)
        stage.restart()
        await stage.receipt(2)
        assert (await stage.site.stream_state("HAZARDS")).messages == 3
        await stage.receipt(3)
        assert (await stage.site.stream_state("HAZARDS")).messages == 0

    _play(stage, scenario)


def test_evidence_waits_at_the_cap_while_hazards_still_leave(tmp_path: Path) -> None:
    stage = Stage(tmp_path, bytes_per_minute=6 * MAX_MESSAGE_BYTES)

    async def scenario() -> None:
        for n in range(80):
            await stage.put(n, PROTOTYPE, times=16)
        await stage.uplink.forward(Lane.EVIDENCE)
        sent = stage.uplink.counts.forwarded["prototype"]
        assert 0 < sent < 80
        assert await stage.uplink.forward(Lane.EVIDENCE) == 0
        await stage.put(100, HAZARD)
        assert await stage.uplink.forward(Lane.HAZARDS) == 1
        stage.now_s = 120.0
        await stage.site.pull("EVIDENCE", "other", timeout_s=0.0)
        await asyncio.sleep(0.1)
        assert await stage.uplink.forward(Lane.EVIDENCE, timeout_s=3.0) > 0
        assert stage.uplink.counts.forwarded["prototype"] > sent

    _play(stage, scenario)


def test_a_checkpoint_is_published_every_hundred_entries(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def checkpoints(bus: Bus) -> int:
        return (await bus.stream_state("CHECKPOINTS")).messages

    async def scenario() -> None:
        for n in range(150):
            await stage.put(n, HAZARD)
        while await stage.uplink.forward(Lane.HAZARDS):
            await stage.uplink.send_checkpoint()
        assert await checkpoints(stage.hub) == 1
        await stage.uplink.send_checkpoint(force=True)
        assert await checkpoints(stage.hub) == 2

    _play(stage, scenario)
