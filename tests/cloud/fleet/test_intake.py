"""Intake: every report exactly once, forged and broken messages as dead letters, receipts back."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud.errors import NotNow, StoreUnavailable
from cloud.fleet.dead_letters import DeadLetters
from cloud.fleet.intake import DURABLE, KEY_WAIT_S, Intake, IntakeCounts, admitted
from cloud.store.receipt_store import ReceiptStore
from cloud.store.report_insertion import Received
from cloud.store.report_store import ReportStore
from messaging.errors import MessageRefused
from messaging.memory_bus import MemoryBus
from messaging.nats.last_values import all_latest
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import FLEET_REPORTS, RECEIPTS, report_subject
from messaging.receipts import HEADER, LanePlace, LaneReceipt, Receipt
from messaging.trust.site_signatures import verified_receipt
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
from tests.support.messaging.site_keys import (
    NO_PLACE,
    director_key,
    publish_signed,
    show_key,
    signed_headers,
)


async def prepared(folder: Path) -> tuple[MemoryBus, Intake, ReportStore]:
    bus, (database, store) = MemoryBus(), open_store(folder)
    await prepare_hub(bus)
    return bus, intake_of(bus, database), store


async def send(bus: MemoryBus, message: Message, *, at: tuple[int, LanePlace] = (1, NO_PLACE)) -> None:
    await publish_signed(bus, message, n=at[0], place=at[1])


async def send_bytes(
    bus: MemoryBus, subject: str, data: bytes, *, at: tuple[int, LanePlace] = (1, NO_PLACE)
) -> None:
    """What a site's gate has signed, whatever it is."""
    await show_key(bus, "harbour")
    headers = signed_headers(subject, data, n=at[0], place=at[1])
    await bus.publish(subject, data, message_id=subject.rsplit(".", maxsplit=1)[-1], headers=headers)


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
        (total,) = store.lists.ledger_totals(limit=9)
        assert (total.count, total.length_bytes) == (3, len(encode(sent)))

    asyncio.run(scenario())


def test_a_kill_between_commit_and_acknowledgement_counts_nothing_twice(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        sent = message(misdetection())
        await send(bus, sent)
        await send(bus, replace(sent, at_utc=sent.at_utc + 1))  # the window drops this one
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
        await send_bytes(bus, subject, encode(forged))
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
        await send_bytes(bus, report_subject("harbour", "misdetection", new_id()), data)
        await send(bus, message(misdetection()))
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(new=1, refused=1)
        assert sentence in store.dead_letters()[0].reason
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts()

    asyncio.run(scenario())


def placed(n: int) -> tuple[int, LanePlace]:
    """Ledger entry and place of a site's nth message, which has ledger entry 10 + n."""
    return 10 + n, LanePlace("stream", n, n - 1, 0)


async def receipts(bus: MemoryBus) -> dict[str, Receipt]:
    director, found = director_key().public, await all_latest(bus, RECEIPTS)
    return {site: verified_receipt(data, director) for site, data in found.items()}


def test_the_receipt_names_the_last_message_up_to_which_all_is_committed(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        for n in (1, 2, 5):
            await send(bus, message(misdetection()), at=placed(n))
        await send(bus, message(misdetection(), site="tunnel"))
        await intake.read_batch(timeout_s=0.1)
        found = await receipts(bus)
        assert found["harbour"].lanes == {"evidence": LaneReceipt("stream", 2, 12, f"{12:064x}")}
        for n in (3, 4):
            await send(bus, message(misdetection()), at=placed(n))
        await intake.read_batch(timeout_s=0.1)
        assert (await receipts(bus))["harbour"].lanes["evidence"].through == 5
        assert (await receipts(bus))["harbour"].database == ReceiptStore(store._db).identity()

    asyncio.run(scenario())


def test_a_dead_letter_is_receipted_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, _ = await prepared(tmp_path)
        subject = report_subject("harbour", "misdetection", new_id())
        await send_bytes(bus, subject, b"rubbish", at=placed(1))
        await send(bus, message(misdetection()), at=placed(2))
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(new=1, refused=1)
        assert (await receipts(bus))["harbour"].lanes["evidence"].through == 2

    asyncio.run(scenario())


def test_nothing_is_receipted_before_it_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The acknowledgement and the receipt come after the transaction, never when it fails."""

    async def scenario() -> None:
        bus, intake, _ = await prepared(tmp_path)
        await send(bus, message(misdetection()), at=placed(1))

        def full(_: object) -> None:
            raise StoreUnavailable("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(intake.store, "insert", full)
            with pytest.raises(StoreUnavailable):
                await intake.read_batch(timeout_s=0.1)
        assert all(not receipt.lanes for receipt in (await receipts(bus)).values())
        assert await bus.acknowledged_through(FLEET_REPORTS, f"{DURABLE}-{intake.receipts.database}") == 0

    asyncio.run(scenario())


def test_another_hub_gets_the_receipts_of_all_sites(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        store.add_site("quay")
        await send(bus, message(misdetection()), at=placed(1))
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
        await send(bus, message(misdetection()), at=placed(1))
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


def _unsigned(subject: str, data: bytes) -> dict[str, str]:
    return {}


def _changed(subject: str, data: bytes) -> dict[str, str]:
    return signed_headers(subject, data + b"x")


def _of_another_site(subject: str, data: bytes) -> dict[str, str]:
    return signed_headers(subject, data, by="tunnel")


def _of_another_place(subject: str, data: bytes) -> dict[str, str]:
    """The signature is true for what the gate stated; a place further on would settle what never arrived."""
    text = signed_headers(subject, data)[HEADER]
    return {HEADER: text.replace(" stream 1 0 0 ", " stream 900 0 899 ")}


@pytest.mark.parametrize("headers", [_unsigned, _changed, _of_another_site, _of_another_place])
def test_a_report_without_the_sites_signature_is_a_dead_letter_for_good(
    headers: Callable[[str, bytes], dict[str, str]], tmp_path: Path
) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        await show_key(bus, "harbour")
        sent = message(misdetection())
        subject, data = report_subject("harbour", "misdetection", sent.id), encode(sent)
        await bus.publish(subject, data, message_id=sent.id, headers=headers(subject, data))
        assert await intake.read_batch(timeout_s=0.1) == IntakeCounts(refused=1)
        assert counts(store) == {}
        assert "signed" in store.dead_letters()[0].reason
        refused = intake.metrics.reports_refused.labels(kind="report", reason="signature")
        assert refused._value.get() == 1
        assert all(not receipt.lanes for receipt in (await receipts(bus)).values()), "it settles nothing"
        with pytest.raises(NotNow, match="can never be stored"):
            DeadLetters(store, intake.checks, intake.metrics).replay(store.dead_letters()[0].id)

    asyncio.run(scenario())


def test_a_report_that_comes_before_its_sites_key_waits_for_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        now_s = 0.0
        bus, (database, _) = MemoryBus(clock=lambda: now_s), open_store(tmp_path)
        await prepare_hub(bus)
        intake, sent = intake_of(bus, database), message(misdetection())
        subject, data = report_subject("harbour", "misdetection", sent.id), encode(sent)
        await bus.publish(subject, data, message_id=sent.id, headers=signed_headers(subject, data))
        assert await intake.read_batch(timeout_s=0.0) == IntakeCounts()
        await show_key(bus, "harbour")
        now_s += KEY_WAIT_S
        assert await intake.read_batch(timeout_s=0.0) == IntakeCounts(new=1)

    asyncio.run(scenario())
