"""Intake: every report exactly once, forged and broken messages as dead letters, receipts back."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud.errors import StoreUnavailable
from cloud.fleet.intake import DURABLE, Intake, IntakeCounts, admitted
from cloud.store.receipt_store import ReceiptStore
from cloud.store.report_store import Received, ReportStore
from messaging.errors import MessageRefused
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import FLEET_REPORTS, RECEIPTS, report_subject
from messaging.receipts import LanePlace, LaneReceipt, LedgerPosition, Receipt, receipt_of
from messaging.wire_format.codec import Message, encode
from tests.support.cloud.intakes import intake_of
from tests.support.cloud.sample_reports import (
    checks_of,
    counts,
    heartbeat,
    message,
    misdetection,
    new_id,
    open_store,
    tally,
)


async def prepared(folder: Path) -> tuple[MemoryBus, Intake, ReportStore]:
    bus, (database, store) = MemoryBus(), open_store(folder)
    await prepare_hub(bus)
    return bus, intake_of(bus, database), store


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


def test_a_last_value_sent_as_a_report_is_refused(tmp_path: Path) -> None:
    sent, (database, _) = message(heartbeat()), open_store(tmp_path)
    subject = report_subject(sent.site, sent.kind, sent.id)
    with pytest.raises(MessageRefused, match="must not be in the stream"):
        admitted(subject, encode(sent), frozenset(), checks_of(database).known_now(()))
    database.close()


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


def placed(n: int, after: int | None = None) -> dict[str, str]:
    """Headers of a site's nth message, which has ledger entry 10 + n."""
    place = LanePlace("stream", n, n - 1 if after is None else after, 0)
    return {**LedgerPosition(10 + n, f"{n}" * 64).headers(), **place.headers()}


async def receipts(bus: MemoryBus) -> dict[str, Receipt]:
    return {site: receipt_of(data) for site, data in (await bus.all_latest(RECEIPTS)).items()}


def test_the_receipt_names_the_last_message_up_to_which_all_is_committed(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        for n in (1, 2, 5):
            await send(bus, message(misdetection()), headers=placed(n))
        await send(bus, message(misdetection(), site="tunnel"))
        await intake.read_batch(timeout_s=0.1)
        found = await receipts(bus)
        assert set(found) == {"harbour"}
        assert found["harbour"].lanes == {"evidence": LaneReceipt("stream", 2, 12, "2" * 64)}
        for n in (3, 4):
            await send(bus, message(misdetection()), headers=placed(n))
        await intake.read_batch(timeout_s=0.1)
        assert (await receipts(bus))["harbour"].lanes["evidence"].through == 5
        assert (await receipts(bus))["harbour"].database == ReceiptStore(store._db).identity()

    asyncio.run(scenario())


def test_a_dead_letter_is_receipted_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, _ = await prepared(tmp_path)
        subject = report_subject("harbour", "misdetection", new_id())
        await bus.publish(subject, b"rubbish", message_id=new_id(), headers=placed(1))
        await send(bus, message(misdetection()), headers=placed(2))
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(new=1, refused=1)
        assert (await receipts(bus))["harbour"].lanes["evidence"].through == 2

    asyncio.run(scenario())


def test_nothing_is_receipted_before_it_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The acknowledgement and the receipt come after the transaction, never when it fails."""

    async def scenario() -> None:
        bus, intake, _ = await prepared(tmp_path)
        await send(bus, message(misdetection()), headers=placed(1))

        def full(_: object) -> None:
            raise StoreUnavailable("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(intake.store, "insert", full)
            with pytest.raises(StoreUnavailable):
                await intake.read_batch(timeout_s=0.1)
        assert await receipts(bus) == {}
        assert await bus.acknowledged_through(FLEET_REPORTS, f"{DURABLE}-{intake.receipts.database}") == 0

    asyncio.run(scenario())


def test_another_hub_gets_the_receipts_of_all_sites(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        store.add_site("quay")
        await send(bus, message(misdetection()), headers=placed(1))
        await intake.read_batch(timeout_s=0.1)
        before = (await receipts(bus))["harbour"]
        another = MemoryBus()
        await prepare_hub(another)
        again = intake_of(another, store._db)
        await again.read_batch(timeout_s=0.0)
        found = await receipts(another)
        assert set(found) == {"harbour", "quay"}
        assert found["harbour"].lanes == before.lanes
        assert found["harbour"].hub != before.hub
        assert found["harbour"].database == before.database

    asyncio.run(scenario())


def test_an_empty_database_reads_all_that_the_hub_has(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, _ = await prepared(tmp_path / "one")
        await send(bus, message(misdetection()), headers=placed(1))
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(new=1)
        another = intake_of(bus, open_store(tmp_path / "two")[0])
        assert await another.read_batch(timeout_s=0.1) == IntakeCounts(new=1)
        assert (await receipts(bus))["harbour"].database == another.receipts.database

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
