"""Releases are signed once for trial and once for service, whatever is repeated."""

import asyncio
from pathlib import Path

import pytest

from cloud.errors import NotKnown, NotNow, WeightsRefused
from cloud.fleet.releases import Releases
from messaging.blobs import MemoryBlobs, digest_of
from messaging.releases import Channel, RolloutOrder
from messaging.trust.orders import verify_order
from messaging.trust.signing import Repository
from messaging.trust.site_trust import TrustedReleases
from tests.support.fake_detector import describe, fake_bundle

NOW = 1_900_000_000


class Cloud:
    """Releases over seams in memory; metadata files are written where a site reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = MemoryBlobs()
        self.orders: dict[str, bytes] = {}
        self.metadata_written: list[str] = []
        (folder / "mirror" / "metadata").mkdir(parents=True, exist_ok=True)
        self.repository = Repository(folder / "releases", clock=lambda: NOW)
        self.releases = Releases(
            self.repository,
            self.blobs,
            put_metadata=self._put_metadata,
            put_order=self._put_order,
            gate=lambda *_: None,
        )

    async def _put_metadata(self, name: str, data: bytes) -> None:
        self.metadata_written.append(name)
        (self.folder / "mirror" / "metadata" / name).write_bytes(data)

    async def _put_order(self, site: str, data: bytes) -> None:
        self.orders[site] = data

    def channel_at_a_site(self, digest: str) -> Channel:
        site = TrustedReleases(self.folder / "site", self.folder / "mirror", self.repository.site_trust)
        return site.manifest(digest, NOW).channel


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def test_a_bundle_is_signed_for_trial_and_then_for_service(cloud: Cloud) -> None:
    bundle = fake_bundle("one")

    async def campaign() -> str:
        trial = await cloud.releases.publish_trial(
            bundle, describe("one"), campaign="C1", evaluation=b"report", synthetic_set_digest="5" * 64
        )
        assert (trial.channel, trial.version, trial.synthetic_set_digest) == (Channel.TRIAL, 1, "5" * 64)
        assert trial.evaluation_digest == digest_of(b"report")
        assert await cloud.blobs.get(trial.evaluation_digest, max_bytes=99) == b"report"
        assert await cloud.blobs.get(trial.digest, max_bytes=999) == bundle
        assert cloud.channel_at_a_site(trial.digest) is Channel.TRIAL
        service = await cloud.releases.promote(trial.digest, campaign="C1")
        assert (service.channel, service.version) == (Channel.SERVICE, 1)
        return trial.digest

    digest = asyncio.run(campaign())
    assert cloud.channel_at_a_site(digest) is Channel.SERVICE
    assert cloud.metadata_written[-1] == "timestamp.json"


def test_versions_go_up_with_every_bundle_over_restarts(cloud: Cloud) -> None:
    async def publish(cloud: Cloud, name: str) -> int:
        manifest = await cloud.releases.publish_trial(
            fake_bundle(name), describe(name), campaign="C1", evaluation=b"r"
        )
        return manifest.version

    versions = [asyncio.run(publish(cloud, name)) for name in ("one", "two")]
    versions.append(asyncio.run(publish(Cloud(cloud.folder), "three")))
    assert versions == [1, 2, 3]


def test_repeating_a_step_after_a_crash_signs_nothing_again(cloud: Cloud) -> None:
    async def step() -> None:
        trial = await cloud.releases.publish_trial(
            fake_bundle("one"), describe("one"), campaign="C1", evaluation=b"r"
        )
        await cloud.releases.promote(trial.digest, campaign="C1")

    asyncio.run(step())
    before = dict(cloud.repository.metadata_files())
    asyncio.run(step())
    assert cloud.repository.metadata_files() == before


def test_the_first_detector_needs_no_trial_and_a_second_does(cloud: Cloud) -> None:
    first = asyncio.run(cloud.releases.publish_first(fake_bundle("one"), describe("one")))
    assert first.channel is Channel.SERVICE
    assert asyncio.run(cloud.releases.publish_first(fake_bundle("one"), describe("one"))) == first
    with pytest.raises(NotNow, match="must go through its trial"):
        asyncio.run(cloud.releases.publish_first(fake_bundle("two"), describe("two")))


def test_a_bundle_that_was_never_released_for_trial_is_not_promoted(cloud: Cloud) -> None:
    with pytest.raises(NotKnown, match="never released for trial"):
        asyncio.run(cloud.releases.promote("ab" * 32, campaign="C1"))


def test_an_empty_bundle_is_refused(cloud: Cloud) -> None:
    with pytest.raises(WeightsRefused, match="has 0 bytes"):
        asyncio.run(cloud.releases.publish_trial(b"", describe(), campaign="C1", evaluation=b"r"))


def test_an_order_is_signed_by_the_director_and_published_for_its_site(cloud: Cloud) -> None:
    order = RolloutOrder(
        site="harbour",
        sequence=1,
        digest="a" * 64,
        channel=Channel.TRIAL,
        issued_at_utc=NOW,
        expires_at_utc=NOW,
    )
    asyncio.run(cloud.releases.send(order))
    assert verify_order(cloud.orders["harbour"], cloud.repository.director.public) == order


def test_refreshing_publishes_a_newer_timestamp(cloud: Cloud) -> None:
    before = cloud.repository.metadata_files()["timestamp.json"]
    asyncio.run(cloud.releases.refresh_timestamp())
    assert (cloud.folder / "mirror" / "metadata" / "timestamp.json").read_bytes() != before
