"""Intake: every report exactly once, forged and broken messages as dead letters, receipts back."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud.fleet.intake import Intake, IntakeCounts
from cloud.metrics import CloudMetrics
from cloud.store.report_store import Received, ReportStore
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import RECEIPTS, report_subject
from messaging.receipts import LedgerPosition, receipt_of
from messaging.wire_format.codec import Message, encode
from tests.support.cloud.sample_reports import (
    checks_of,
    counts,
    message,
    misdetection,
    new_id,
    open_store,
    tally,
)


async def prepared(folder: Path) -> tuple[MemoryBus, Intake, ReportStore]:
    bus, (database, store) = MemoryBus(), open_store(folder)
    await prepare_hub(bus)
    return bus, Intake(bus, store, CloudMetrics(), checks_of(database)), store


async def send(
    bus: MemoryBus, message: Message, *, subject: str | None = None, headers: Mapping[str, str] | None = None
) -> None:
    subject = subject or report_subject(message.site, message.kind, message.id)
    await bus.publish(subject, encode(message), message_id=message.id, headers=headers)


def test_reports_are_stored_and_acknowledged(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        for report in (misdetection(), tally(), misdetection()):
            await send(bus, message(report))
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(new=3)
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts()
        assert counts(store) == {"misdetection": 2, "recall": 1}

    asyncio.run(scenario())


def test_reports_of_one_message_are_counted_one_by_one_and_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        sent = replace(message(misdetection()), more=(misdetection(class_name="fire"), misdetection()))
        await send(bus, sent)
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(new=1)
        assert store.insert([Received(sent, 100)]).duplicates == 1
        assert [row.class_name for row in store.misdetections()] == ["pothole", "fire", "pothole"]
        assert counts(store) == {"misdetection": 3}
        (total,) = store.ledger_totals()
        assert (total.count, total.length_bytes) == (3, len(encode(sent)))

    asyncio.run(scenario())


def test_a_kill_between_commit_and_acknowledgement_counts_nothing_twice(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        sent = message(misdetection())
        await send(bus, sent)
        await send(bus, replace(sent, at_utc=sent.at_utc + 1), subject=None)  # the window drops this one
        store.insert([Received(sent, 100)])  # what the killed intake had committed
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(duplicates=1)
        assert len(store.misdetections()) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("the envelope names another site than the subject", {"site": "tunnel"}),
        ("the envelope has another id than the subject", {"id": new_id()}),
    ],
)
def test_a_forged_message_is_a_dead_letter_with_the_reason(
    why: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        sent = message(misdetection())
        forged = replace(sent, **changes)
        subject = report_subject(sent.site, sent.kind, sent.id)
        await bus.publish(subject, encode(forged), message_id=sent.id)
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(refused=1)
        assert counts(store) == {}
        assert "the message arrived on subject" in store.dead_letters()[0].reason

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xff\x00 pixels", "format version 255"),
        (b'{"type": "blindspot.misdetection.v1"}', "format version 123"),
        (b"\x03\xff\x1f\x1f", "not a Blindspot message"),
        (b"[" * 5000, "format version"),
    ],
)
def test_a_message_of_wrong_form_is_a_dead_letter_and_intake_continues(
    data: bytes, sentence: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        await bus.publish(report_subject("harbour", "misdetection", new_id()), data, message_id=new_id())
        await send(bus, message(misdetection()))
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(new=1, refused=1)
        assert sentence in store.dead_letters()[0].reason
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts()

    asyncio.run(scenario())


def test_the_receipt_names_the_highest_ledger_entry_that_is_committed(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, _ = await prepared(tmp_path)
        for n in (1, 2, 5):
            position = LedgerPosition(n, f"{n}" * 64)
            await send(bus, message(misdetection()), headers=position.headers())
        await send(bus, message(misdetection(), site="tunnel"))
        await intake.read_batch(timeout_s=0.1)
        receipts = await bus.all_latest(RECEIPTS)
        assert set(receipts) == {"harbour"}
        assert receipt_of(receipts["harbour"]) == LedgerPosition(5, "5" * 64)

    asyncio.run(scenario())


def test_reports_of_a_revoked_site_are_dead_letters_until_it_is_enrolled_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        await send(bus, message(misdetection(), site="tunnel"))
        await send(bus, message(misdetection()))
        store.add_site("harbour")
        store.revoke_site("harbour")
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(new=1, refused=1)
        assert "site harbour is revoked; `blindspot sites add`" in store.dead_letters()[0].reason
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts()
        store.add_site("harbour")
        await send(bus, message(misdetection()))
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(new=1)
        assert [row.site for row in store.misdetections()] == ["tunnel", "harbour"]

    asyncio.run(scenario())
