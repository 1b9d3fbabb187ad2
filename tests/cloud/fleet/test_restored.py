"""A cloud that was restored from an older backup issues no number twice; a forged hub does nothing."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cloud.fleet.hub import Hub
from cloud.fleet.restored import continue_above_hub
from messaging.blobs import MemoryFiles
from messaging.errors import ConfigurationError
from messaging.memory_bus import MemoryBus
from messaging.nats.subjects import ORDERS
from messaging.releases import order_key
from messaging.reports import SwapOutcome
from messaging.trust.orders import sign_order
from messaging.trust.signing import Repository
from messaging.trust.site_trust import TrustedReleases
from tests.support import release_fleet
from tests.support.cloud.rollout_fleet import Fleet
from tests.support.cloud.sample_reports import NEW, OLD, received, swap
from tests.support.release_fleet import NOW


class Backup:
    """A signing folder with a copy of an earlier day, and a hub that has everything signed since."""

    def __init__(self, folder: Path) -> None:
        self.signing = release_fleet.Fleet(folder)
        self.releases = [self.signing.release("one")]
        self.copy = folder / "backup"
        shutil.copytree(folder / "releases", self.copy)
        self.files, self.bus = MemoryFiles(), MemoryBus()
        asyncio.run(self.bus.ensure_latest(ORDERS))
        self.hub = cast(Hub, SimpleNamespace(metadata=self.files, bus=self.bus))

    def publish(self) -> None:
        for name, data in self.signing.repository.metadata_files().items():
            asyncio.run(self.files.put_named(name, data))

    def restored(self) -> Repository:
        return Repository(self.copy, clock=lambda: NOW)


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    return Backup(tmp_path / "signing")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    made.release(OLD, 1)
    yield made
    made.database.close()


def test_restored_metadata_goes_on_above_what_the_sites_have_seen(
    backup: Backup, fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = backup.releases[0], backup.signing.release("two")
    site = TrustedReleases(
        backup.copy.parent / "site", backup.signing.mirror, backup.signing.repository.site_trust
    )
    assert site.manifest(two.digest, NOW) == two
    backup.publish()
    repository = backup.restored()
    assert set(repository.releases()) == {one.digest}
    asyncio.run(continue_above_hub(repository, fleet.releases, backup.hub))
    assert set(repository.releases()) == {one.digest, two.digest}
    assert "newer release metadata" in caplog.text
    repository.refresh_timestamp()
    backup.signing.repository = repository
    backup.signing.mirror_metadata()
    assert site.manifest(one.digest, NOW) == one
    with pytest.raises(ConfigurationError, match="versions only go up"):
        backup.signing.release("three", version=two.version)


def test_what_is_older_damaged_or_of_a_stranger_at_the_hub_changes_nothing(
    backup: Backup, fleet: Fleet, tmp_path: Path
) -> None:
    backup.publish()
    backup.signing.release("two")
    ours = backup.signing.repository
    before = dict(ours.metadata_files())
    stranger = release_fleet.Fleet(tmp_path / "stranger")
    for name in ("a", "b", "c", "d", "e"):
        stranger.release(name)
    foreign = dict(stranger.repository.metadata_files())
    for files in ({}, foreign, {"timestamp.json": b"{}"}, {**foreign, "2.root.json": foreign["1.root.json"]}):
        for name, data in files.items():
            asyncio.run(backup.files.put_named(name, data))
        asyncio.run(continue_above_hub(ours, fleet.releases, backup.hub))
        assert ours.metadata_files() == before


def test_a_folder_of_before_a_rotation_is_refused(backup: Backup, fleet: Fleet) -> None:
    """Sites refuse what its keys sign; going on would be silence at every site."""
    backup.signing.repository.rotate_key("targets")
    backup.publish()
    with pytest.raises(ConfigurationError, match=r"the hub has 2\.root\.json, which is newer"):
        asyncio.run(continue_above_hub(backup.restored(), fleet.releases, backup.hub))


def test_order_sequences_go_on_above_those_at_the_hub_and_those_that_sites_answered(
    backup: Backup, fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    order = backup.signing.order(NEW, site="quay", sequence=41)
    forged = release_fleet.Fleet(backup.copy.parent / "stranger").order(NEW, site="tunnel", sequence=900)
    director = backup.signing.repository.director
    for one, key in ((order, director), (forged, Repository(backup.copy.parent / "other").director)):
        envelope = sign_order(one, key)
        asyncio.run(backup.bus.put_latest(ORDERS, order_key(one.site, one.role), envelope))
    fleet.reports.insert([received(swap(17, NEW, SwapOutcome.INSTALLED), "tunnel")])
    asyncio.run(continue_above_hub(backup.restored(), fleet.releases, backup.hub))
    assert "newer orders of 1 sites than the database" in caplog.text
    for name, sequence in (("quay", 42), ("tunnel", 18), ("attic", 1)):
        assert fleet.driver.send_single(name, OLD, order.channel).sequence == sequence
