"""One suite for every store of blobs and of named files: in memory, and over a real nats-server."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from messaging.blobs import Blobs, MemoryBlobs, MemoryFiles, NamedFiles, digest_of
from messaging.errors import BlobError, WireForbidden, WireUnavailable
from messaging.nats.blobs import CHUNK_BYTES, NatsBlobs
from messaging.nats.bus import NatsBus
from messaging.nats.connection import Reply
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import TUF_BUCKET
from tests.support.brokers import Hub

BlobScenario = Callable[[Blobs], Awaitable[None]]
FileScenario = Callable[[NamedFiles], Awaitable[None]]


async def _with_buckets(hub: Hub, use: Callable[[NatsBus, NatsBlobs, NatsBlobs], Awaitable[None]]) -> None:
    bus = await NatsBus.connect(hub.cloud_link())
    models, tuf = NatsBlobs(bus), NatsBlobs(bus, TUF_BUCKET, prefix="", max_bytes=2**24)
    try:
        await prepare_hub(bus, models, tuf)
        await use(bus, models, tuf)
    finally:
        await bus.close()


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.broker)])
def play(request: pytest.FixtureRequest) -> Callable[[BlobScenario], None]:
    def run(scenario: BlobScenario) -> None:
        if request.param == "nats":
            hub = request.getfixturevalue("hub")
            asyncio.run(_with_buckets(hub, lambda _bus, models, _tuf: scenario(models)))
        else:

            async def once() -> None:
                await scenario(MemoryBlobs())

            asyncio.run(once())

    return run


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.broker)])
def play_files(request: pytest.FixtureRequest) -> Callable[[FileScenario], None]:
    def run(scenario: FileScenario) -> None:
        if request.param == "nats":
            hub = request.getfixturevalue("hub")
            asyncio.run(_with_buckets(hub, lambda _bus, _models, tuf: scenario(tuf)))
        else:

            async def once() -> None:
                await scenario(MemoryFiles())

            asyncio.run(once())

    return run


@pytest.mark.parametrize("length", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES + 17])
def test_bytes_are_returned_whole_by_their_digest(play: Callable[[BlobScenario], None], length: int) -> None:
    async def scenario(blobs: Blobs) -> None:
        data = os.urandom(length)
        digest = await blobs.put(data)
        assert digest == digest_of(data)
        assert await blobs.has(digest)
        assert await blobs.put(data) == digest
        assert await blobs.get(digest, max_bytes=length) == data

    play(scenario)


def test_a_blob_longer_than_expected_is_refused(play: Callable[[BlobScenario], None]) -> None:
    async def scenario(blobs: Blobs) -> None:
        digest = await blobs.put(b"x" * 1000)
        with pytest.raises(BlobError, match="at most 999"):
            await blobs.get(digest, max_bytes=999)

    play(scenario)


def test_an_absent_blob_is_refused_as_absent(play: Callable[[BlobScenario], None]) -> None:
    async def scenario(blobs: Blobs) -> None:
        assert not await blobs.has("0" * 64)
        with pytest.raises(BlobError, match="absent"):
            await blobs.get("0" * 64, max_bytes=10)

    play(scenario)


def test_a_named_file_is_replaced_and_an_absent_one_is_none(
    play_files: Callable[[FileScenario], None],
) -> None:
    async def scenario(files: NamedFiles) -> None:
        assert await files.get_named("timestamp.json", max_bytes=100) is None
        await files.put_named("timestamp.json", b"one")
        await files.put_named("timestamp.json", b"second")
        await files.put_named("1.root.json", b"root")
        assert await files.get_named("timestamp.json", max_bytes=100) == b"second"
        assert await files.get_named("1.root.json", max_bytes=100) == b"root"
        with pytest.raises(BlobError, match="at most 3"):
            await files.get_named("timestamp.json", max_bytes=3)

    play_files(scenario)


@pytest.mark.broker
def test_a_replaced_file_leaves_no_chunks_behind(hub: Hub) -> None:
    async def scenario(bus: NatsBus, _models: NatsBlobs, tuf: NatsBlobs) -> None:
        await tuf.put_named("grows.json", b"x" * 1000)
        before = (await bus.stream_state("OBJ_tuf")).messages
        for _ in range(5):
            await tuf.put_named("grows.json", b"y" * 1000)
        assert (await bus.stream_state("OBJ_tuf")).messages == before

    asyncio.run(_with_buckets(hub, scenario))


@pytest.mark.broker
def test_a_site_reads_what_the_cloud_wrote_and_writes_nothing(hub: Hub) -> None:
    async def scenario(_bus: NatsBus, models: NatsBlobs, _tuf: NatsBlobs) -> None:
        data = os.urandom(3 * CHUNK_BYTES)
        digest = await models.put(data)
        site_bus = await NatsBus.connect(hub.gate_link("s1"))
        site_models = NatsBlobs(site_bus)
        assert await site_models.get(digest, max_bytes=len(data)) == data
        with pytest.raises(WireForbidden):
            await site_models.put_named("det/other", b"poison")
        with pytest.raises(WireForbidden):
            await site_models.ensure()
        await site_bus.close()

    asyncio.run(_with_buckets(hub, scenario))


class BreakingBus(NatsBus):
    """A bus whose reads of chunks fail after a while, and which counts them."""

    reads = 0
    reads_left = 10**9

    async def direct_get(
        self, stream: str, subject: str = "", *, query: Mapping[str, Any] | None = None
    ) -> Reply | None:
        if query is not None:
            if self.reads_left <= 0:
                raise WireUnavailable("the link broke")
            self.reads_left -= 1
            self.reads += 1
        return await super().direct_get(stream, subject, query=query)


@pytest.mark.broker
def test_a_broken_read_continues_at_the_chunk_that_failed(hub: Hub) -> None:
    async def scenario(bus: NatsBus, models: NatsBlobs, _tuf: NatsBlobs) -> None:
        data = os.urandom(10 * CHUNK_BYTES)
        digest = await models.put(data)
        breaking = BreakingBus(bus.wire)
        reader = NatsBlobs(breaking)
        breaking.reads_left = 6
        with pytest.raises(WireUnavailable):
            await reader.get(digest, max_bytes=len(data))
        breaking.reads_left = 10**9
        assert await reader.get(digest, max_bytes=len(data)) == data
        assert breaking.reads == 10

    asyncio.run(_with_buckets(hub, scenario))


def _append_to_part(folder: Path, content: bytes) -> None:
    (part,) = folder.glob("*.part")
    with part.open("ab") as file:
        file.write(content)


@pytest.mark.broker
@pytest.mark.parametrize(
    ("damage", "reads"),
    [
        (b"", 4),
        (b"\0\0", 4),
        (b"\0\2\0\0", 4),
        (b"\0\0\0\1\0\0\0\0\0\0\0\1x", None),
    ],
    ids=["whole", "head cut", "chunk cut", "foreign"],
)
def test_another_process_continues_a_read_whatever_a_crash_has_left_of_it(
    hub: Hub, tmp_path: Path, damage: bytes, reads: int | None
) -> None:
    async def scenario(bus: NatsBus, models: NatsBlobs, _tuf: NatsBlobs) -> None:
        data = os.urandom(10 * CHUNK_BYTES)
        digest = await models.put(data)
        breaking = BreakingBus(bus.wire)
        breaking.reads_left = 6
        with pytest.raises(WireUnavailable):
            await NatsBlobs(breaking, partial_folder=tmp_path).get(digest, max_bytes=len(data))
        _append_to_part(tmp_path, damage)
        breaking.reads, breaking.reads_left = 0, 10**9
        reader = NatsBlobs(breaking, partial_folder=tmp_path)
        if reads is None:
            with pytest.raises(BlobError):
                await reader.get(digest, max_bytes=len(data))
        assert await reader.get(digest, max_bytes=len(data)) == data
        assert reads is None or breaking.reads == reads
        assert os.listdir(tmp_path) == []

    asyncio.run(_with_buckets(hub, scenario))


@pytest.mark.broker
def test_the_part_of_another_object_is_removed_and_a_folder_that_refuses_costs_only_the_resumption(
    hub: Hub, tmp_path: Path
) -> None:
    async def scenario(bus: NatsBus, models: NatsBlobs, _tuf: NatsBlobs) -> None:
        data = os.urandom(3 * CHUNK_BYTES)
        digest = await models.put(data)
        (tmp_path / "other.part").write_bytes(b"x")
        assert await NatsBlobs(bus, partial_folder=tmp_path).get(digest, max_bytes=len(data)) == data
        assert os.listdir(tmp_path) == []
        blocked = tmp_path / "file"
        blocked.write_bytes(b"")
        assert await NatsBlobs(bus, partial_folder=blocked / "x").get(digest, max_bytes=len(data)) == data

    asyncio.run(_with_buckets(hub, scenario))


@pytest.mark.broker
def test_damaged_and_purged_chunks_are_refused(hub: Hub) -> None:
    async def scenario(bus: NatsBus, models: NatsBlobs, tuf: NatsBlobs) -> None:
        await tuf.put_named("torn.json", b"x" * 1000)
        await bus.purge_subject("OBJ_tuf", "$O.tuf.C.>")
        with pytest.raises(BlobError, match="lacks chunks"):
            await tuf.get_named("torn.json", max_bytes=10_000)
        other = digest_of(b"what was promised")
        await models.put_named(f"det/{other}", b"what was delivered")
        with pytest.raises(BlobError, match="damaged or swapped"):
            await models.get(other, max_bytes=100)

    asyncio.run(_with_buckets(hub, scenario))
