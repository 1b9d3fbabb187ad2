"""Threads sign and send through the event loop; results, errors and time limits come back to them."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.errors import NotKnown
from cloud.fleet import publisher as publisher_module
from cloud.fleet.publisher import Publisher
from cloud.fleet.releases import Releases
from messaging.blobs import MemoryBlobs
from messaging.errors import WireUnavailable
from messaging.memory_bus import MemoryBus
from messaging.nats.subjects import WAKE, command_subject
from messaging.releases import Channel, RolloutOrder
from messaging.trust.signing import Repository
from tests.support.fake_detector import describe, fake_bundle

NOW = 1_900_000_000
ORDER = RolloutOrder(
    site="harbour",
    sequence=1,
    digest="a" * 64,
    channel=Channel.SERVICE,
    issued_at_utc=NOW,
    expires_at_utc=NOW + 60,
)


class HubInMemory:
    """An event loop in a thread, with releases that publish into memory."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.bus = MemoryBus()
        self.orders: dict[str, bytes] = {}
        self.hints: list[str] = []
        self.threads: set[str] = set()
        self.answers = True
        repository = Repository(folder, clock=lambda: NOW)
        self.releases = Releases(
            repository,
            MemoryBlobs(),
            put_metadata=self._put_metadata,
            put_order=self._put_order,
            gate=lambda *_: None,
        )
        self.publisher = Publisher(self.loop, self.releases, self.bus)
        self.thread = threading.Thread(target=self.loop.run_forever, name="loop")

    async def _put_metadata(self, name: str, data: bytes) -> None:
        self.threads.add(threading.current_thread().name)
        if not self.answers:
            await asyncio.sleep(3600)

    async def _put_order(self, site: str, data: bytes) -> None:
        self.threads.add(threading.current_thread().name)
        self.orders[site] = data


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubInMemory]:
    made = HubInMemory(tmp_path)
    made.thread.start()
    yield made
    made.loop.call_soon_threadsafe(made.loop.stop)
    made.thread.join(10)
    made.loop.close()


def test_a_bundle_is_signed_on_the_event_loop_and_its_manifest_returned(hub: HubInMemory) -> None:
    manifest = hub.publisher.publish_trial(
        fake_bundle("one"), describe("one"), campaign="C1", evaluation=b"{}"
    )
    assert manifest.channel is Channel.TRIAL
    assert hub.publisher.promote(manifest.digest, campaign="C1").channel is Channel.SERVICE
    assert hub.threads == {"loop"}


def test_an_order_is_published_for_its_site_with_a_hint(
    hub: HubInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hint(subject: str) -> None:
        hub.hints.append(subject)

    monkeypatch.setattr(hub.bus, "hint", hint)
    hub.publisher.send(ORDER)
    assert set(hub.orders) == {"harbour"}
    assert hub.hints == [command_subject("harbour", WAKE)]


def test_an_error_on_the_event_loop_is_raised_in_the_calling_thread(hub: HubInMemory) -> None:
    with pytest.raises(NotKnown, match="never released for trial"):
        hub.publisher.promote("ab" * 32, campaign="C1")


def test_a_hub_that_does_not_respond_is_given_up_after_the_time_limit(
    hub: HubInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "TIMEOUT_S", 0.1)
    hub.answers = False
    with pytest.raises(WireUnavailable, match="did not answer within 0 s; try again"):
        hub.publisher.refresh_timestamp()
    hub.answers = True
    monkeypatch.setattr(publisher_module, "TIMEOUT_S", 10.0)
    hub.publisher.refresh_timestamp()
