"""Checkpoints: the first names the site's key, later ones only go on, and a rewritten ledger is a fault."""

import asyncio
from pathlib import Path

from cloud.fleet.receipt_writer import CheckpointIntake
from cloud.store.ledger_store import LedgerStore
from cloud.store.report_store import ReportStore
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import CHECKPOINTS, RECEIPTS
from messaging.receipts import LedgerPosition
from messaging.trust.site_signatures import SiteKey, verified_receipt
from tests.support.cloud.intakes import intake_of
from tests.support.cloud.sample_reports import message, misdetection, open_store
from tests.support.messaging.site_keys import director_key, publish_signed, site_key

KEY = site_key("harbour")


class Cloud:
    """A hub in memory and the cloud's intakes over a database."""

    def __init__(self, folder: Path) -> None:
        self.bus, (database, self.reports) = MemoryBus(), open_store(folder)
        self.intake = intake_of(self.bus, database)
        self.ledgers = LedgerStore(database)

    @property
    def checkpoints(self) -> CheckpointIntake:
        return self.intake.checkpoints

    async def shown(self, n: int, digest: str = "", key: SiteKey = KEY, site: str = "harbour") -> int:
        """Show a checkpoint; how many were taken."""
        position = LedgerPosition(n, digest or f"{n:064x}")
        await self.bus.put_latest(CHECKPOINTS, site, key.checkpoint(position, 1_800_000_000).to_bytes())
        return await self.checkpoints.step()

    def fault(self) -> str:
        (site,) = [one for one in self.reports.sites() if one.site == "harbour"]
        return site.ledger_fault


def _play(folder: Path) -> Cloud:
    cloud = Cloud(folder)
    asyncio.run(prepare_hub(cloud.bus))
    return cloud


def test_checkpoints_go_on_and_the_last_one_is_receipted(tmp_path: Path) -> None:
    cloud = _play(tmp_path)

    async def scenario() -> None:
        await cloud.intake.read_batch(timeout_s=0.0)
        assert [await cloud.shown(n) for n in (0, 100, 100, 207)] == [1, 1, 0, 1]
        await cloud.intake.read_batch(timeout_s=0.0)
        data = await cloud.bus.get_latest(RECEIPTS, "harbour") or b""
        found = verified_receipt(data, director_key().public)
        assert found.ledger is not None
        assert (found.site, found.ledger.n, found.ledger.hash) == ("harbour", 207, f"{207:064x}")
        assert found.ledger.key == KEY.key.public.public_hex

    asyncio.run(scenario())
    assert cloud.fault() == ""
    assert [entry.n for entry in cloud.ledgers.entries("harbour", after=0, limit=10)] == [100, 207]


def test_a_ledger_that_went_back_is_a_fault(tmp_path: Path) -> None:
    cloud = _play(tmp_path)

    async def scenario() -> None:
        await cloud.shown(200)
        assert await cloud.shown(100) == 0

    asyncio.run(scenario())
    assert "went back from entry 200 to entry 100" in cloud.fault()
    assert cloud.checkpoints.metrics.checkpoints_refused._value.get() == 1


def test_a_ledger_that_was_rewritten_at_the_same_length_is_a_fault(tmp_path: Path) -> None:
    cloud = _play(tmp_path)

    async def scenario() -> None:
        await cloud.shown(200)
        assert await cloud.shown(200, "ab" * 32) == 0

    asyncio.run(scenario())
    assert "another hash for it" in cloud.fault()


def test_a_checkpoint_that_contradicts_a_report_is_a_fork(tmp_path: Path) -> None:
    cloud = _play(tmp_path)

    async def scenario() -> None:
        await publish_signed(cloud.bus, message(misdetection()), n=120)
        await cloud.intake.read_batch(timeout_s=0.0)
        assert await cloud.shown(120, "ab" * 32) == 0
        assert await cloud.shown(121) == 1, "the next one that fits is taken; the fault stays"

    asyncio.run(scenario())
    assert "has signed two ledgers: entry 120" in cloud.fault()


def test_two_gates_with_one_key_are_a_fork(tmp_path: Path) -> None:
    cloud = _play(tmp_path)

    async def scenario() -> None:
        for digest in ("aa" * 32, "bb" * 32):
            await publish_signed(cloud.bus, message(misdetection()), n=7, digest=digest)
        await cloud.intake.read_batch(timeout_s=0.0)
        assert await cloud.shown(9) == 0

    asyncio.run(scenario())
    assert "entry 7 has different hashes; its key is used twice" in cloud.fault()


def test_another_key_is_refused_until_the_site_is_enrolled_again(tmp_path: Path) -> None:
    cloud, other = _play(tmp_path), SiteKey("harbour", site_key("thief").key)

    async def scenario() -> None:
        await cloud.shown(5)
        assert await cloud.shown(6, key=other) == 0
        assert "signs with another key" in cloud.fault()
        assert cloud.ledgers.keys(["harbour"]) == {"harbour": KEY.key.public}
        cloud.reports.revoke_site("harbour")
        assert await cloud.shown(6, key=other) == 0, "a revoked site shows no key"
        cloud.reports.add_site("harbour")
        assert await cloud.shown(6, key=other) == 1

    asyncio.run(scenario())
    assert cloud.fault() == ""
    assert cloud.ledgers.keys(["harbour"]) == {"harbour": other.key.public}


def test_a_checkpoint_of_another_site_or_without_its_signature_names_no_key(tmp_path: Path) -> None:
    cloud = _play(tmp_path)

    async def scenario() -> None:
        assert await cloud.shown(5, site="quay") == 0
        data = KEY.checkpoint(LedgerPosition(5, "ab" * 32), 0).to_bytes().replace(b'"n":5', b'"n":6')
        await cloud.bus.put_latest(CHECKPOINTS, "harbour", data)
        assert await cloud.checkpoints.step() == 0

    asyncio.run(scenario())
    assert cloud.ledgers.keys(["harbour", "quay"]) == {}
    assert isinstance(cloud.reports, ReportStore)
