"""Heartbeats: the last of every site is stored, an older one never wins, and no report waits for them."""

import asyncio
import time
from pathlib import Path

import pytest

from cloud.errors import StoreUnavailable
from cloud.fleet.heartbeats import HeartbeatIntake
from cloud.fleet.intake import Intake
from cloud.metrics import CloudMetrics
from cloud.store.ledger_store import LedgerStore
from cloud.store.report_insertion import Received
from cloud.store.report_records import Site
from cloud.store.report_store import CLOCK_ERROR_S, ReportStore
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import HEARTBEATS
from messaging.receipts import START
from messaging.trust.site_signatures import SiteKey
from messaging.wire_format.codec import encode
from tests.support.cloud.intakes import intake_of
from tests.support.cloud.sample_reports import (
    MINUTE,
    counts,
    heartbeat,
    message,
    misdetection,
    open_store,
)
from tests.support.messaging.site_keys import publish_signed, put_signed_heartbeat, show_key, site_key

SITES = 10_000


async def prepared(folder: Path) -> tuple[MemoryBus, HeartbeatIntake, ReportStore]:
    bus, (database, store) = MemoryBus(), open_store(folder)
    await prepare_hub(bus)
    return bus, HeartbeatIntake(bus, store, CloudMetrics(), LedgerStore(database)), store


def test_heartbeats_are_read_from_their_last_values_and_forged_ones_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        await put_signed_heartbeat(bus, message(heartbeat()))
        await put_signed_heartbeat(bus, message(heartbeat(), site="harbour"), "tunnel")
        await show_key(bus, "quay")
        value = site_key("harbour").heartbeat_value(START, encode(message(heartbeat(), "quay")))
        await bus.put_latest(HEARTBEATS, "quay", value)
        assert await intake.step() == 0, "no site has shown its key"
        await intake_of(bus, store._db).checkpoints.step()
        assert await intake.step() == 1
        assert await intake.step() == 0
        assert [beat.site for beat in store.heartbeats()] == ["harbour"]
        for reason in ("form", "signature"):
            refused = intake.metrics.reports_refused.labels(kind="heartbeat", reason=reason)
            assert refused._value.get() == 1, "a forged heartbeat is refused once, not in every round"

    asyncio.run(scenario())


def test_heartbeats_that_the_store_could_not_take_are_stored_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(batch: list[Received]) -> int:
        raise StoreUnavailable("the disk is full")

    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        await put_signed_heartbeat(bus, message(heartbeat()))
        await intake_of(bus, store._db).checkpoints.step()
        with monkeypatch.context() as broken:
            broken.setattr(store, "put_heartbeats", unavailable)
            with pytest.raises(StoreUnavailable):
                await intake.step()
        assert store.heartbeats() == []
        assert await intake.step() == 1
        assert [beat.site for beat in store.heartbeats()] == ["harbour"]

    asyncio.run(scenario())


def test_the_heartbeat_of_a_revoked_site_is_not_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        await put_signed_heartbeat(bus, message(heartbeat()))
        checkpoints = intake_of(bus, store._db).checkpoints
        await checkpoints.step()
        assert await intake.step() == 1
        store.revoke_site("harbour")
        await put_signed_heartbeat(bus, message(heartbeat(uptime_s=20)))
        assert await intake.step() == 0
        store.add_site("harbour")
        await checkpoints.keys(["harbour"])
        assert await intake.step() == 1
        assert store.heartbeats()[0].heartbeat.uptime_s == 20

    asyncio.run(scenario())


@pytest.mark.parametrize("same_identity", [False, True], ids=["lost disk", "older backup"])
def test_after_the_loss_of_the_hubs_disk_or_from_an_older_backup_all_heartbeats_are_read(
    tmp_path: Path, same_identity: bool
) -> None:
    async def scenario() -> None:
        bus, intake, store = await prepared(tmp_path)
        for uptime_s in (10, 20, 30):
            await put_signed_heartbeat(bus, message(heartbeat(uptime_s=uptime_s)))
        await intake_of(bus, store._db).checkpoints.step()
        assert await intake.step() == 1
        identity = (await bus.bucket_state(HEARTBEATS)).identity
        bus._buckets.clear()
        await prepare_hub(bus)
        if same_identity:
            bus._buckets[HEARTBEATS].identity = identity
        await put_signed_heartbeat(bus, message(heartbeat(uptime_s=40)))
        assert await intake.step() == 1
        assert store.heartbeats()[0].heartbeat.uptime_s == 40

    asyncio.run(scenario())


def test_an_older_heartbeat_never_replaces_a_later_one(tmp_path: Path) -> None:
    _, store = open_store(tmp_path)
    for at, uptime_s, stored in ((MINUTE, 20, 1), (MINUTE - 10, 10, 0), (MINUTE + 10, 30, 1)):
        beat = message(heartbeat(uptime_s=uptime_s), at=at)
        assert store.put_heartbeats([Received(beat, 100)]) == stored
    assert store.heartbeats()[0].heartbeat.uptime_s == 30


def test_a_heartbeat_sent_by_a_clock_that_was_ahead_does_not_hide_those_after_it(tmp_path: Path) -> None:
    _, store = open_store(tmp_path)
    ahead = message(heartbeat(uptime_s=10), at=MINUTE + CLOCK_ERROR_S + 1)
    assert store.put_heartbeats([Received(ahead, 100)]) == 1
    assert store.put_heartbeats([Received(message(heartbeat(uptime_s=20)), 100)]) == 1
    assert store.heartbeats()[0].heartbeat.uptime_s == 20


@pytest.mark.timeout(400)
def test_heartbeats_of_ten_thousand_sites_hold_no_report_back(tmp_path: Path) -> None:
    """The first round stores all, the next one a tenth, the last none; reports arrive all the while."""

    async def scenario() -> None:
        bus, beats, store = await prepared(tmp_path)
        reports = intake_of(bus, store._db)
        sites, key = [f"site-{n:05d}" for n in range(SITES)], site_key("all").key
        with store._db.writing() as session:
            store._db.add_all(session, [Site(site, 0, key=key.public.public_hex) for site in sites])

        async def beat(site: str, uptime_s: int) -> None:
            data = encode(message(heartbeat(uptime_s=uptime_s), site))
            await bus.put_latest(HEARTBEATS, site, SiteKey(site, key).heartbeat_value(START, data))

        for site in sites:
            await beat(site, 10)
        started_s = time.process_time()
        assert await beats_and_reports(bus, beats, reports) == (SITES, True)
        all_new_s = time.process_time() - started_s
        for site in sites[::10]:
            await beat(site, 20)
        stored, _ = await beats_and_reports(bus, beats, reports)
        assert stored == SITES // 10
        started_s = time.process_time()
        assert await beats.step() == 0
        assert time.process_time() - started_s < all_new_s / 10
        assert len(store.heartbeats()) == SITES

    asyncio.run(scenario())


async def beats_and_reports(bus: MemoryBus, beats: HeartbeatIntake, reports: Intake) -> tuple[int, bool]:
    """Read the heartbeats while reports arrive: how many were stored, and whether reports were between them.

    In between means: one for every thousand heartbeats, whatever the speed of the machine.
    """
    reading = asyncio.create_task(beats.step())
    before = sent = sum(counts(beats.store).values())
    while not reading.done():
        await publish_signed(bus, message(misdetection()))
        await reports.read_batch(timeout_s=0.0)
        sent += 1
        await asyncio.sleep(0.02)
    assert counts(beats.store) == {"misdetection": sent}
    stored = reading.result()
    return stored, sent - before >= stored / 1000
