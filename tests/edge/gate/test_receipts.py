"""Receipts at the gate: what is committed is forgotten, a forged one changes nothing, the rest goes again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.gate.ledger_entries import verify
from messaging.nats.subjects import FLEET_REPORTS, RECEIPTS, SITE_STREAMS
from messaging.receipts import LaneReceipt, LedgerReceipt, Receipt
from messaging.trust.site_signatures import signed_receipt
from messaging.wire_format.codec import Lane
from tests.support.edge.gate_stage import (
    RECEIPT_TIMEOUT_S,
    GateStage,
    outgoing_id,
    report_id,
    subject_and_data,
)
from tests.support.messaging.samples import HAZARD, MISDETECTION
from tests.support.messaging.site_keys import director_key, site_key, stated_by


class Stage(GateStage):
    """A gate whose hub the test writes receipts to."""

    async def sent(self, hazards: int) -> None:
        for n in range(1, hazards + 1):
            await self.put(n, HAZARD)
        while await self.uplink.forward(Lane.HAZARDS):
            pass

    async def honest(self, through: int, lane: Lane = Lane.HAZARDS) -> LaneReceipt:
        """The receipt of a cloud that has everything up to a message."""
        stream = SITE_STREAMS[lane]
        state = await self.site.stream_state(stream)
        (message,) = await self.site.stored_messages(stream, through, 1)
        entries = (self.ledger.entry(n) for n in range(1, self.ledger.head.n + 1))
        (entry,) = [
            one
            for one in entries
            if one is not None and one.id == self.admission.ids.outgoing(message.message_id)
        ]
        return LaneReceipt(state.identity, through, entry.n, entry.position.hash)

    async def take(
        self, claimed: LaneReceipt, *, database: str = "db", hub: str = "hub", lane: Lane = Lane.HAZARDS
    ) -> None:
        await self.take_signed(Receipt("s1", database, hub, {lane: claimed}))

    async def take_signed(self, receipt: Receipt) -> None:
        await self.hub.put_latest(RECEIPTS, "s1", signed_receipt(receipt, director_key()))
        await self.receipts.take()

    async def arrived(self) -> list[str]:
        """Ids at the hub that were not read before."""
        deliveries = await self.hub.pull(FLEET_REPORTS, "test", batch=1000, timeout_s=0.0)
        for delivery in deliveries:
            await delivery.acknowledge()
        return [delivery.message_id for delivery in deliveries]


def play(folder: Path, scenario: Callable[[Stage], Awaitable[None]]) -> None:
    async def whole() -> None:
        stage = Stage(folder)
        await stage.prepare()
        await scenario(stage)
        stage.ledger.close()

    asyncio.run(whole())
    verify(folder / "ledger")


def test_the_site_forgets_what_is_receipted_and_nothing_else(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(6)
        await stage.receipts.take()
        assert await stage.kept() == 6
        await stage.take(await stage.honest(4))
        assert await stage.kept() == 2
        assert stage.receipts.counts.receipt_n == 4
        await stage.take(await stage.honest(6))
        assert await stage.kept() == 0

    play(tmp_path, scenario)


def test_each_lane_has_its_own_receipt(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(3)
        for n in range(4, 8):
            await stage.put(n, MISDETECTION)
        await stage.uplink.forward(Lane.EVIDENCE)
        await stage.take(await stage.honest(4, Lane.EVIDENCE), lane=Lane.EVIDENCE)
        assert (await stage.kept(), await stage.kept(Lane.EVIDENCE)) == (3, 0)

    play(tmp_path, scenario)


def test_a_message_that_is_not_yet_acknowledged_stays_whatever_the_receipt_says(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(2)
        await stage.put(3, HAZARD)
        await stage.take(await stage.honest(2))
        assert await stage.kept() == 1

    play(tmp_path, scenario)


FORGERIES: dict[str, Callable[[LaneReceipt], LaneReceipt]] = {
    "beyond the site's last message": lambda r: LaneReceipt(r.stream, 1000, r.n, r.hash),
    "the ledger ends at entry 5": lambda r: LaneReceipt(r.stream, r.through, 1000, r.hash),
    "another hash for ledger entry 3": lambda r: LaneReceipt(r.stream, r.through, r.n, "0" * 64),
    "which is another message": lambda r: LaneReceipt(r.stream, 5, r.n, r.hash),
    "the ledger ends": lambda r: LaneReceipt(r.stream, r.through, 0, r.hash),
}


@pytest.mark.parametrize("reason", FORGERIES)
def test_a_receipt_that_cannot_be_true_is_refused_with_an_alarm_and_deletes_nothing(
    reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(5)
        forged = FORGERIES[reason](await stage.honest(3))
        for _ in range(3):
            await stage.take(forged)
        assert await stage.kept() == 5
        assert stage.receipts.counts.refused == 1
        assert reason in stage.receipts.counts.fault
        alarms = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(alarms) == 1
        assert reason in alarms[0].message
        await stage.take(await stage.honest(5))
        assert await stage.kept() == 0
        assert stage.receipts.counts.fault == ""

    play(tmp_path, scenario)


def test_a_forged_receipt_of_one_lane_does_not_pass_with_a_true_one_of_the_other(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(3)
        for n in range(4, 6):
            await stage.put(n, MISDETECTION)
        await stage.uplink.forward(Lane.EVIDENCE)
        true = await stage.honest(3)
        evidence = await stage.honest(2, Lane.EVIDENCE)
        forged = LaneReceipt(evidence.stream, 2, evidence.n, "0" * 64)
        await stage.take_signed(Receipt("s1", "db", "hub", {Lane.HAZARDS: true, Lane.EVIDENCE: forged}))
        assert (await stage.kept(), await stage.kept(Lane.EVIDENCE)) == (3, 2)

    play(tmp_path, scenario)


def test_rubbish_for_a_receipt_is_refused_with_an_alarm(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(2)
        await stage.hub.put_latest(RECEIPTS, "s1", b'{"n": 2, "hash": "ab"}')
        await stage.receipts.take()
        assert "not a receipt" in stage.receipts.counts.fault
        assert await stage.kept() == 2

    play(tmp_path, scenario)


def test_a_receipt_of_a_stream_that_the_site_no_longer_has_deletes_nothing(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(3)
        honest = await stage.honest(3)
        await stage.take(LaneReceipt("another", 3, honest.n, honest.hash))
        assert await stage.kept() == 3
        assert stage.receipts.counts.fault == ""

    play(tmp_path, scenario)


def test_what_has_no_receipt_in_time_is_sent_again_under_its_ledger_entry(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(5)
        await stage.arrived()
        await stage.receipts.take()
        await stage.replace_hub()
        assert not await stage.uplink.send_again()
        stage.now_s += RECEIPT_TIMEOUT_S
        assert await stage.uplink.send_again()
        assert await stage.arrived() == [outgoing_id(n) for n in range(1, 6)]
        assert stage.ledger.head.n == 5
        assert stage.uplink.counts.sent_again == 5
        assert not await stage.uplink.send_again()

    play(tmp_path, scenario)


@pytest.mark.parametrize("changed", ["hub", "database"])
def test_another_hub_or_database_makes_the_gate_send_again_at_once(changed: str, tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(5)
        await stage.take(await stage.honest(2))
        await stage.replace_hub()
        await stage.take(await stage.honest(3), **{changed: "another"})
        assert await stage.uplink.send_again()
        assert await stage.arrived() == [outgoing_id(n) for n in (4, 5)]

    play(tmp_path, scenario)


def test_a_gate_that_restarts_sends_again_what_it_had_sent_without_receipt(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(4)
        await stage.arrived()
        await stage.replace_hub()
        stage.restart()
        await stage.receipts.take()
        stage.now_s += RECEIPT_TIMEOUT_S
        assert await stage.uplink.send_again()
        assert await stage.arrived() == [outgoing_id(n) for n in range(1, 5)]
        assert stage.ledger.head.n == 4

    play(tmp_path, scenario)


def test_a_refused_message_is_no_gap_and_is_not_sent_again(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.put(1, HAZARD)
        subject, _ = subject_and_data(2, HAZARD)
        await stage.site.publish(subject, b"\xff\xd8 an image", message_id=report_id(2))
        await stage.put(3, HAZARD)
        await stage.uplink.forward(Lane.HAZARDS)
        first, last = await stage.hub.pull(FLEET_REPORTS, "places", timeout_s=0.0)
        places = [stated_by("s1", delivery).place for delivery in (first, last)]
        assert [(place.sequence, place.after) for place in places] == [(1, 0), (3, 1)]
        await stage.take(await stage.honest(1))
        assert await stage.kept() == 1
        stage.restart()
        await stage.receipts.take()
        await stage.replace_hub()
        stage.now_s += RECEIPT_TIMEOUT_S
        assert await stage.uplink.send_again()
        assert await stage.arrived() == [outgoing_id(3)]
        assert len(list((tmp_path / "quarantine").glob("*.bin"))) == 1

    play(tmp_path, scenario)


def test_a_message_that_waits_for_its_turn_is_not_taken_for_settled(tmp_path: Path) -> None:
    """One that the hub did not take comes after the next ones; their places say that it is missing."""

    async def scenario(stage: Stage) -> None:
        for n in range(1, 4):
            await stage.put(n, HAZARD)
        stage.hub.messages_left = 1
        with pytest.raises(Exception, match="does not respond"):
            await stage.uplink.forward(Lane.HAZARDS)
        stage.hub.messages_left = 10**9
        await stage.put(4, HAZARD)
        assert await stage.uplink.forward(Lane.HAZARDS) == 1
        places = [stated_by("s1", d).place for d in await stage.hub.pull(FLEET_REPORTS, "p", timeout_s=0.0)]
        assert [(place.sequence, place.after) for place in places] == [(1, 0), (4, 3)]

    play(tmp_path, scenario)


FOREIGN_RECEIPTS: dict[str, tuple[str, dict[str, Any]]] = {
    "is for site s2": ("s2", {}),
    "knows this site by another key": ("s1", {"key": "0" * 64}),
    "verified another ledger up to entry 3": ("s1", {"hash": "0" * 64}),
    "it ends at entry 3": ("s1", {"n": 4}),
}


@pytest.mark.parametrize("why", FOREIGN_RECEIPTS)
def test_a_receipt_of_another_site_key_or_ledger_is_refused_with_an_alarm(tmp_path: Path, why: str) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(3)
        head = stage.ledger.head
        honest = LedgerReceipt(head.n, head.hash, site_key("s1").key.public.public_hex, 1_800_000_000)
        site, changes = FOREIGN_RECEIPTS[why]
        await stage.take_signed(Receipt(site, "db", "hub", {}, replace(honest, **changes)))
        assert why in stage.receipts.counts.fault
        assert await stage.kept() == 3
        await stage.take_signed(Receipt("s1", "db", "hub", {}, honest))
        assert stage.receipts.counts.fault == ""
        assert verify(tmp_path / "ledger", director_key().public).receipt == honest

    play(tmp_path, scenario)


def test_a_receipt_that_the_site_has_signed_itself_is_refused(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sent(3)
        receipt = Receipt("s1", "db", "hub", {Lane.HAZARDS: await stage.honest(3)})
        await stage.hub.put_latest(RECEIPTS, "s1", signed_receipt(receipt, site_key("s1").key))
        await stage.receipts.take()
        assert "the receipt is not signed by key" in stage.receipts.counts.fault
        assert await stage.kept() == 3

    play(tmp_path, scenario)
