"""Forwarding: admitted messages leave once and are listed, others stay; the site purges on receipt."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from edge.gate.ledger_entries import verify
from edge.gate.limits.admission import admitted, admitted_heartbeat
from edge.gate.rate_cap import ByteLimits
from edge.gate.uplink import CHECKPOINT_EVERY_S, DURABLE
from messaging.errors import MessageRefused, WireUnavailable
from messaging.nats.subjects import CHECKPOINTS, FLEET_REPORTS, HEARTBEATS, report_subject
from messaging.trust.site_signatures import verified_checkpoint, verified_heartbeat
from messaging.wire_format.codec import MAX_MESSAGE_BYTES, Lane, decode, encode
from tests.support.edge.gate_stage import GateStage, outgoing_id, report_id, subject_and_data
from tests.support.messaging.samples import HAZARD, HEARTBEAT, PROTOTYPE, SAMPLES
from tests.support.messaging.site_keys import site_key, stated_by


class Stage(GateStage):
    """What the tests of the uplink need besides."""

    async def received(self) -> list[str]:
        return [d.message_id for d in await self.hub.pull(FLEET_REPORTS, "test", batch=1000, timeout_s=0.0)]


def _play(stage: Stage, scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await stage.prepare()
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
        assert (delivery.subject, delivery.message_id) == ("site.s1.report.hazard", outgoing_id(1))
        assert decode(delivery.data).report.class_name == HAZARD.class_name
        assert stated_by("s1", delivery).ledger == stage.ledger.head
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
            stage.now_s += 1.0
            await stage.uplink.forward(Lane.HAZARDS)
        assert sorted(await stage.received()) == sorted(outgoing_id(n) for n in range(10))
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
        stage.now_s += 1.0
        assert await stage.uplink.forward(Lane.HAZARDS) == 1
        assert stage.ledger.head.n == 1
        assert await stage.received() == [outgoing_id(1)]

    _play(stage, scenario)


REFUSALS: list[tuple[str, str, str, bytes]] = [
    (
        "another site's subject",
        report_subject("s2", "hazard", report_id(1)),
        report_id(1),
        subject_and_data(1, HAZARD)[1],
    ),
    (
        "another site's envelope",
        report_subject("s1", "hazard", report_id(1)),
        report_id(1),
        subject_and_data(1, HAZARD, "s2")[1],
    ),
    (
        "another kind",
        report_subject("s1", "verdict", report_id(1)),
        report_id(1),
        subject_and_data(1, HAZARD)[1],
    ),
    (
        "another id in the subject",
        report_subject("s1", "hazard", report_id(2)),
        report_id(1),
        subject_and_data(1, HAZARD)[1],
    ),
    (
        "another id of the delivery",
        report_subject("s1", "hazard", report_id(1)),
        report_id(2),
        subject_and_data(1, HAZARD)[1],
    ),
    (
        "an image",
        report_subject("s1", "hazard", report_id(1)),
        report_id(1),
        b"\xff\xd8\xff\xe0JFIF" + bytes(500),
    ),
    (
        "JSON of an older version",
        report_subject("s1", "hazard", report_id(1)),
        report_id(1),
        b'{"data":"' + b"A" * 4000 + b'"}',
    ),
    ("over the cap", report_subject("s1", "hazard", report_id(1)), report_id(1), b" " * 9000),
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
            report_subject("s1", "hazard", report_id(1)), b"\xff\xd8\xff\xe0", message_id=report_id(1)
        )
        await stage.put(2, HAZARD)
        await stage.uplink.forward(Lane.HAZARDS)
        assert await stage.received() == [outgoing_id(2)]
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
        other = subject_and_data(1, HAZARD.model_copy(update={"severity": 1}))
        await stage.site.publish(other[0], other[1], message_id="")
        stage.site._streams["HAZARDS"].messages[-1] = (
            stage.site._streams["HAZARDS"].messages[-1].__class__(2, other[0], other[1], report_id(1), {})
        )
        await stage.put(3, HAZARD)
        await stage.uplink.forward(Lane.HAZARDS)
        assert await stage.received() == [outgoing_id(1), outgoing_id(3)]
        assert stage.uplink.counts.refused == 1

    _play(stage, scenario)


def test_bytes_appended_to_a_message_by_its_sender_do_not_leave() -> None:
    subject, data = subject_and_data(1, HAZARD)
    assert encode(admitted("s1", subject, report_id(1), data)) == data
    for sloppy in (data + b"note", b"note" + data, data + bytes(1)):
        with pytest.raises(MessageRefused):
            admitted("s1", subject, report_id(1), sloppy)


@pytest.mark.parametrize("kind", sorted(set(SAMPLES) - {"heartbeat"}))
def test_every_kind_of_the_table_is_admitted(kind: str) -> None:
    subject, data = subject_and_data(1, SAMPLES[kind])
    assert encode(admitted("s1", subject, report_id(1), data)) == data


def test_a_heartbeat_travels_as_a_last_value_only(tmp_path: Path) -> None:
    subject, data = subject_and_data(1, HEARTBEAT)
    with pytest.raises(MessageRefused, match="last value"):
        admitted("s1", subject, report_id(1), data)
    with pytest.raises(MessageRefused, match="stream message"):
        admitted_heartbeat("s1", subject_and_data(1, HAZARD)[1])
    stage = Stage(tmp_path)

    async def scenario() -> None:
        assert not await stage.uplink.forward_heartbeat()
        await stage.site.put_latest(HEARTBEATS, "s1", data)
        assert await stage.uplink.forward_heartbeat()
        assert not await stage.uplink.forward_heartbeat()
        value = await stage.hub.get_latest(HEARTBEATS, "s1") or b""
        position, sent = verified_heartbeat(site_key("s1").key.public, "s1", value)
        assert (position, decode(sent).id) == (stage.ledger.head, outgoing_id(1))
        assert stage.ledger.head.n == 1
        await stage.site.put_latest(HEARTBEATS, "s1", b"\x00")
        assert not await stage.uplink.forward_heartbeat()
        assert stage.uplink.counts.refused == 1

    _play(stage, scenario)


def test_evidence_waits_at_the_cap_while_hazards_still_leave(tmp_path: Path) -> None:
    stage = Stage(tmp_path, evidence=ByteLimits(6 * MAX_MESSAGE_BYTES, 2**30))

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
        assert await stage.uplink.forward(Lane.EVIDENCE) > 0
        assert stage.uplink.counts.forwarded["prototype"] > sent

    _play(stage, scenario)


def test_a_signed_checkpoint_is_published_first_every_hundred_entries_and_every_ten_minutes(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path)

    async def checkpoint() -> int:
        await stage.uplink.send_checkpoint()
        value = await stage.hub.get_latest(CHECKPOINTS, "s1") or b""
        found = verified_checkpoint(value, "s1")
        assert found.key == site_key("s1").key.public.public_hex
        return found.n

    async def scenario() -> None:
        stage.hub.messages_left = 0
        await stage.put(0, HAZARD)
        with pytest.raises(WireUnavailable):
            await stage.uplink.forward(Lane.HAZARDS)
        stage.hub.messages_left = 10**9
        assert await checkpoint() == 0, "the site's key is at the hub before its first report"
        for n in range(1, 150):
            await stage.put(n, HAZARD)
        seen = []
        while await stage.uplink.forward(Lane.HAZARDS):
            seen.append(await checkpoint())
        assert seen == [0, 101, 101]
        stage.now_s += CHECKPOINT_EVERY_S - 1
        assert await checkpoint() == 101
        stage.now_s += 1
        assert await checkpoint() == stage.ledger.head.n == 150

    _play(stage, scenario)
