"""Intake: every report exactly once, liars and broken messages aside, receipts back."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud.fleet.intake import Intake, Taken
from cloud.metrics import CloudMetrics
from cloud.store.report_store import Received, ReportStore
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import HEARTBEATS, RECEIPTS, report_subject
from messaging.receipts import LedgerPosition, receipt_of
from messaging.wire_format.codec import Message, encode
from tests.support.cloud.sample_reports import heartbeat, message, misdetection, new_id, open_store, tally


async def prepared(folder: Path) -> tuple[MemoryBus, Intake, ReportStore]:
    bus, (_, store) = MemoryBus(), open_store(folder)
    await prepare_hub(bus)
    return bus, Intake(bus, store, CloudMetrics()), store


async def send(
    bus: MemoryBus, told: Message, *, subject: str | None = None, headers: Mapping[str, str] | None = None
) -> None:
    where = subject or report_subject(told.site, told.kind, told.id)
    await bus.publish(where, encode(told), message_id=told.id, headers=headers)


def test_reports_are_stored_and_acknowledged(tmp_path: Path) -> None:
    async def scene() -> None:
        bus, intake, store = await prepared(tmp_path)
        for report in (misdetection(), tally(), misdetection()):
            await send(bus, message(report))
        assert await intake.take(timeout_s=0.1) == Taken(new=3)
        assert await intake.take(timeout_s=0.1) == Taken()
        assert store.count_by_kind() == {"misdetection": 2, "recall": 1}

    asyncio.run(scene())


def test_reports_that_came_in_one_message_are_counted_one_by_one_and_once(tmp_path: Path) -> None:
    async def scene() -> None:
        bus, intake, store = await prepared(tmp_path)
        told = replace(message(misdetection()), more=(misdetection(class_name="fire"), misdetection()))
        await send(bus, told)
        assert await intake.take(timeout_s=0.1) == Taken(new=1)
        assert store.insert([Received(told, 100)]).duplicates == 1
        assert [row.class_name for row in store.misdetections()] == ["pothole", "fire", "pothole"]
        assert store.count_by_kind() == {"misdetection": 3}
        (total,) = store.ledger_totals()
        assert (total.count, total.length_bytes) == (3, len(encode(told)))

    asyncio.run(scene())


def test_a_kill_between_commit_and_acknowledgement_counts_nothing_twice(tmp_path: Path) -> None:
    async def scene() -> None:
        bus, intake, store = await prepared(tmp_path)
        told = message(misdetection())
        await send(bus, told)
        await send(bus, replace(told, at_utc=told.at_utc + 1), subject=None)  # the window drops this one
        store.insert([Received(told, 100)])  # what the killed intake had committed
        assert await intake.take(timeout_s=0.1) == Taken(duplicates=1)
        assert len(store.misdetections()) == 1

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("the envelope names another site than the subject", {"site": "tunnel"}),
        ("the envelope has another id than the subject", {"id": new_id()}),
    ],
)
def test_a_liar_is_kept_aside_with_the_reason(why: str, changes: dict[str, Any], tmp_path: Path) -> None:
    async def scene() -> None:
        bus, intake, store = await prepared(tmp_path)
        told = message(misdetection())
        lie = replace(told, **changes)
        subject = report_subject(told.site, told.kind, told.id)
        await bus.publish(subject, encode(lie), message_id=told.id)
        assert await intake.take(timeout_s=0.1) == Taken(refused=1)
        assert store.count_by_kind() == {}
        assert "it came on the subject" in store.dead_letters()[0].reason

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xff\x00 pixels", "schema version 255"),
        (b'{"type": "blindspot.misdetection.v1"}', "schema version 123"),
        (b"\x02\xff\x1f\x1f", "not a Blindspot message"),
        (b"[" * 5000, "schema version"),
    ],
)
def test_a_message_of_wrong_form_is_kept_aside_and_intake_goes_on(
    data: bytes, sentence: str, tmp_path: Path
) -> None:
    async def scene() -> None:
        bus, intake, store = await prepared(tmp_path)
        await bus.publish(report_subject("harbour", "misdetection", new_id()), data, message_id=new_id())
        await send(bus, message(misdetection()))
        assert await intake.take(timeout_s=0.1) == Taken(new=1, refused=1)
        assert sentence in store.dead_letters()[0].reason
        assert await intake.take(timeout_s=0.1) == Taken()

    asyncio.run(scene())


def test_the_receipt_tells_the_highest_ledger_entry_that_is_committed(tmp_path: Path) -> None:
    async def scene() -> None:
        bus, intake, _ = await prepared(tmp_path)
        for n in (1, 2, 5):
            place = LedgerPosition(n, f"{n}" * 64)
            await send(bus, message(misdetection()), headers=place.headers())
        await send(bus, message(misdetection(), site="tunnel"))
        await intake.take(timeout_s=0.1)
        receipts = await bus.all_latest(RECEIPTS)
        assert set(receipts) == {"harbour"}
        assert receipt_of(receipts["harbour"]) == LedgerPosition(5, "5" * 64)

    asyncio.run(scene())


def test_heartbeats_are_read_from_their_last_values_and_forged_ones_are_not(tmp_path: Path) -> None:
    async def scene() -> None:
        bus, intake, store = await prepared(tmp_path)
        await bus.put_latest(HEARTBEATS, "harbour", encode(message(heartbeat())))
        await bus.put_latest(HEARTBEATS, "tunnel", encode(message(heartbeat(), site="harbour")))
        await bus.put_latest(HEARTBEATS, "quay", b"rubbish")
        assert await intake.take_heartbeats() == 1
        assert await intake.take_heartbeats() == 0
        assert [beat.site for beat in store.heartbeats()] == ["harbour"]

    asyncio.run(scene())


def test_intake_ends_when_told_to(tmp_path: Path) -> None:
    async def scene() -> None:
        _, intake, _ = await prepared(tmp_path)
        stop = asyncio.Event()
        task = asyncio.create_task(intake.run(stop))
        await asyncio.sleep(0.05)
        stop.set()
        await asyncio.wait_for(task, 5)

    asyncio.run(scene())
