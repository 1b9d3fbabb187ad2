"""The mirror copies what is announced, timestamp last, and lets a hostile hub write nowhere else."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from edge.gate.mirror import Mirror
from messaging.blobs import MemoryBlobs, MemoryFiles
from messaging.errors import WireForbidden
from messaging.memory_bus import MemoryBus
from messaging.nats.subjects import ORDERS, REQUESTS
from messaging.trust.envelopes import MAX_ENVELOPE_BYTES
from messaging.trust.mirrored_requests import requests_path
from messaging.trust.orders import MAX_ORDER_BYTES


class Hub:
    """The cloud's releases and orders, in memory."""

    def __init__(self, folder: Path) -> None:
        self.bus, self.files, self.blobs = MemoryBus(), MemoryFiles(), MemoryBlobs()
        self.folder = folder
        self.mirror = Mirror(
            "s1", folder, self.bus, metadata=self.files, targets=self.blobs, max_target_bytes=1000
        )
        for bucket in (ORDERS, REQUESTS):
            asyncio.run(self.bus.ensure_latest(bucket))

    def put(self, **files: bytes) -> None:
        for name, data in files.items():
            asyncio.run(self.files.put_named(name.replace("__", "."), data))

    def publish(self, version: int) -> None:
        self.put(timestamp__json=_announcing("snapshot.json", version))
        asyncio.run(self.files.put_named(f"{version}.snapshot.json", _announcing("targets.json", version)))
        asyncio.run(self.files.put_named(f"{version}.targets.json", b"targets"))

    def order(self, data: bytes) -> None:
        asyncio.run(self.bus.put_latest(ORDERS, "s1", data))

    def refresh(self) -> bool:
        return asyncio.run(self.mirror.refresh())

    def names(self, folder: str) -> set[str]:
        return {path.name for path in (self.folder / folder).iterdir()}


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "mirror")


def _announcing(name: str, version: Any) -> bytes:
    return json.dumps({"signed": {"meta": {name: {"version": version}}}}).encode()


def _order(digest: str) -> bytes:
    payload = base64.b64encode(json.dumps({"digest": digest}).encode()).decode()
    return json.dumps({"payload": payload}).encode()


def test_all_that_is_announced_is_copied_and_a_second_refresh_changes_nothing(hub: Hub) -> None:
    asyncio.run(hub.files.put_named("1.root.json", b"root"))
    hub.publish(1)
    assert hub.refresh()
    assert hub.names("metadata") == {"1.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"}
    assert not hub.refresh()


def test_the_node_may_be_another_user_of_the_gates_group(hub: Hub) -> None:
    hub.publish(1)
    hub.refresh()
    modes = {path.stat().st_mode & 0o777 for path in (hub.folder / "metadata").iterdir()}
    assert modes == {0o640}


def test_the_timestamp_is_not_replaced_before_the_files_it_names_are_copied(hub: Hub) -> None:
    hub.publish(1)
    hub.refresh()
    before = (hub.folder / "metadata" / "timestamp.json").read_bytes()
    hub.put(timestamp__json=_announcing("snapshot.json", 2))
    assert not hub.refresh()
    assert (hub.folder / "metadata" / "timestamp.json").read_bytes() == before


def test_a_mirror_reports_what_is_missing_until_it_is_complete(hub: Hub) -> None:
    hub.put(timestamp__json=_announcing("snapshot.json", 1))
    hub.refresh()
    assert hub.mirror.missing == "1.snapshot.json is announced but absent from the hub"
    hub.publish(1)
    hub.refresh()
    assert hub.mirror.missing == ""


@pytest.mark.parametrize(
    "timestamp",
    [
        b"\xff",
        b"[]",
        b"{}",
        b'{"signed":{"meta":7}}',
        _announcing("../../escape.json", 1),
        _announcing("/etc/escape.json", 1),
        _announcing("snapshot.json", -1),
        _announcing("snapshot.json", "x"),
    ],
)
def test_a_hostile_timestamp_writes_nothing_outside_the_mirror(hub: Hub, timestamp: bytes) -> None:
    asyncio.run(hub.files.put_named("1.../../escape.json", b"poison"))
    hub.put(timestamp__json=timestamp)
    hub.refresh()
    assert hub.names("metadata") <= {"timestamp.json"}
    assert {path.name for path in hub.folder.parent.iterdir()} == {"mirror"}


@pytest.mark.parametrize("digest", ["../../escape", "AB" * 32, "ab" * 31, ""])
def test_an_order_that_names_no_digest_fetches_nothing(hub: Hub, digest: str) -> None:
    hub.order(_order(digest))
    assert hub.refresh()
    assert hub.names("targets") == set()


def test_an_order_of_any_form_is_mirrored_as_it_is_but_not_over_its_cap(hub: Hub) -> None:
    hub.order(b"not even JSON")
    assert hub.refresh()
    hub.order(b"x" * (MAX_ORDER_BYTES + 1))
    assert not hub.refresh()
    assert (hub.folder / "orders" / "s1.json").read_bytes() == b"not even JSON"


def test_weights_longer_than_allowed_are_not_copied(hub: Hub) -> None:
    digest = asyncio.run(hub.blobs.put(b"x" * 1001))
    hub.order(_order(digest))
    hub.refresh()
    assert hub.names("targets") == set()


def test_the_last_few_weights_and_versions_are_kept(hub: Hub) -> None:
    digests = []
    for version in range(1, 10):
        hub.publish(version)
        digests.append(asyncio.run(hub.blobs.put(b"weights %d" % version)))
        hub.order(_order(digests[-1]))
        assert hub.refresh()
    assert digests[-1] in hub.names("targets")
    assert len(hub.names("targets")) == hub.mirror.target_count == 6
    assert {n for n in hub.names("metadata") if "targets" in n} == {f"{v}.targets.json" for v in (7, 8, 9)}


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b'{"signed', b"[]"])
@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json", "1.root.json"])
def test_a_damaged_metadata_file_is_copied_again_after_a_start(hub: Hub, name: str, content: bytes) -> None:
    hub.publish(1)
    hub.put(**{"1.targets.json": _announcing("x.json", 0), "1.root.json": _announcing("x.json", 0)})
    assert hub.refresh()
    path = hub.folder / "metadata" / name
    whole = path.read_bytes()
    path.write_bytes(content)
    again = Mirror("s1", hub.folder, hub.bus, metadata=hub.files, targets=hub.blobs, max_target_bytes=1000)
    asyncio.run(again.refresh())
    assert (path.read_bytes(), again.missing) == (whole, "")


def test_damaged_weights_are_copied_again_after_a_start(hub: Hub) -> None:
    digest = asyncio.run(hub.blobs.put(b"weights"))
    hub.order(_order(digest))
    assert hub.refresh()
    path = hub.folder / "targets" / digest
    for content in (b"", b"weightz"):
        path.write_bytes(content)
        again = Mirror(
            "s1", hub.folder, hub.bus, metadata=hub.files, targets=hub.blobs, max_target_bytes=1000
        )
        assert asyncio.run(again.refresh())
        assert path.read_bytes() == b"weights"


def test_the_weights_of_detector_and_teacher_come_down_by_an_order_each(hub: Hub) -> None:
    digests = [asyncio.run(hub.blobs.put(name)) for name in (b"detector", b"teacher")]
    hub.order(_order(digests[0]))
    asyncio.run(hub.bus.put_latest(ORDERS, "s1.teacher", _order(digests[1])))
    assert hub.refresh()
    assert (hub.names("targets"), hub.names("orders")) == (set(digests), {"s1.json", "s1.teacher.json"})
    assert not hub.refresh()


def test_verdict_requests_are_copied_as_they_are(hub: Hub) -> None:
    asyncio.run(hub.bus.put_latest(REQUESTS, "s1", b"not even JSON"))
    assert hub.refresh()
    assert requests_path(hub.folder, "s1").read_bytes() == b"not even JSON"
    assert not hub.refresh()


def test_verdict_requests_that_are_too_long_are_not_copied(hub: Hub) -> None:
    asyncio.run(hub.bus.put_latest(REQUESTS, "s1", b"x" * (MAX_ENVELOPE_BYTES + 1)))
    assert not hub.refresh()
    assert hub.names("requests") == set()


class OlderHub(MemoryBus):
    """A hub whose cloud knows no verdict requests, so that the gate may not ask for them."""

    async def get_latest(self, bucket: str, key: str) -> bytes | None:
        if bucket == REQUESTS:
            raise WireForbidden("permissions violation")
        return await super().get_latest(bucket, key)


def test_a_hub_without_verdict_requests_still_sends_orders(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bus, files, blobs = OlderHub(), MemoryFiles(), MemoryBlobs()
    mirror = Mirror("s1", tmp_path, bus, metadata=files, targets=blobs, max_target_bytes=1000)

    async def scenario() -> None:
        await bus.ensure_latest(ORDERS)
        await bus.put_latest(ORDERS, "s1", b"not even JSON")
        assert await mirror.refresh()
        assert not await mirror.refresh()

    caplog.set_level("INFO")
    asyncio.run(scenario())
    assert caplog.text.count("the hub permits no verdict requests yet") == 1
    assert (tmp_path / "orders" / "s1.json").exists()
