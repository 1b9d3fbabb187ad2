"""Batcher: reports that may wait leave in one message, none is lost with its process, none comes twice."""

import asyncio
import errno
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import pytest

from edge.ids import ids_of_a_run
from edge.outbox.batching import BatchingDelays
from edge.outbox.outbox import Outbox
from edge.outbox.spool import Spool
from messaging.bus import Bus, PublishAck
from messaging.errors import MessageRefused, WireUnavailable
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_site
from messaging.nats.subjects import SITE_STREAMS
from messaging.reports import HazardState, Report
from messaging.wire_format.codec import PAYLOADS, Lane, Message, decode
from messaging.wire_format.column_encodings import ulid_number
from tests.support.messaging.samples import HAZARD, HEARTBEAT, MISDETECTION, PROTOTYPE, RECALL, SHADOW, SWAP
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
PATIENCE = BatchingDelays(urgent_s=0.05, hazard_s=0.2, evidence_s=60.0)
CLOSED = HAZARD.model_copy(update={"state": HazardState.CLOSED})
LESSER = HAZARD.model_copy(update={"severity": 2})


class LostBus(MemoryBus):
    """A broker that does not respond."""

    async def publish(
        self, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> PublishAck:
        raise WireUnavailable("the broker does not respond")


def _bus() -> MemoryBus:
    bus = MemoryBus()
    asyncio.run(prepare_site(bus, "s1"))
    return bus


def _outbox(
    folder: Path, bus: MemoryBus, *, patience: BatchingDelays = PATIENCE, capacity: int = 100
) -> Outbox:
    async def connect() -> Bus:
        return bus

    return Outbox(
        "s1",
        folder,
        connect,
        now_utc=lambda: 1_800_000_000.0,
        new_id=ids_of_a_run(),
        capacity=capacity,
        patience=patience,
    )


def _messages(bus: MemoryBus, lane: Lane) -> list[Message]:
    return [
        decode(d.data) for d in asyncio.run(bus.pull(SITE_STREAMS[lane], "test", batch=1000, timeout_s=0.0))
    ]


@pytest.mark.parametrize(
    ("report", "wait_s"),
    [
        (HAZARD, 0.05),
        (HAZARD.model_copy(update={"state": HazardState.UPDATED}), 0.05),
        (LESSER, 0.2),
        (CLOSED, 60.0),
        (MISDETECTION, 60.0),
        (RECALL, 60.0),
        (PROTOTYPE, 60.0),
        (SWAP, 0.0),
        (SHADOW, 0.0),
        (HEARTBEAT, 0.0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Report) else str(value),
)
def test_how_long_a_report_may_wait(report: Report, wait_s: float) -> None:
    assert PATIENCE.of(report) == wait_s


def test_evidence_is_batched_and_leaves_in_one_message_when_the_node_stops(tmp_path: Path) -> None:
    bus = _bus()
    outbox = _outbox(tmp_path, bus)
    outbox.start()
    wait_until(lambda: outbox.counts.connected)
    futures = [outbox.put(MISDETECTION) for _ in range(5)]
    assert outbox.counts.waiting == 1
    outbox.stop()
    (message,) = _messages(bus, Lane.EVIDENCE)
    assert message.reports == (MISDETECTION,) * 5
    assert all(future.result(0) for future in futures)
    assert outbox.counts.accepted == {"misdetection": 5}
    assert not list(tmp_path.iterdir())


def test_a_hazard_leaves_soon_together_with_the_reports_that_wait(tmp_path: Path) -> None:
    bus = _bus()
    outbox = _outbox(tmp_path, bus)
    outbox.start()
    outbox.put(CLOSED)
    time.sleep(0.1)
    assert outbox.counts.accepted == {}
    assert outbox.put(HAZARD).result(2)
    outbox.stop()
    (message,) = _messages(bus, Lane.HAZARDS)
    assert message.reports == (CLOSED, HAZARD)


def test_a_full_message_leaves_and_the_next_one_opens(tmp_path: Path) -> None:
    bus = _bus()
    outbox = _outbox(tmp_path, bus)
    most = PAYLOADS["misdetection"].max_reports
    futures = [outbox.put(MISDETECTION) for _ in range(most + 3)]
    outbox.start()
    assert futures[0].result(2)
    assert not futures[-1].done()
    outbox.stop()
    assert [len(message.reports) for message in _messages(bus, Lane.EVIDENCE)] == [most, 3]


def test_a_report_over_the_cap_is_refused_and_the_others_are_sent(tmp_path: Path) -> None:
    bus = _bus()
    outbox = _outbox(tmp_path, bus)
    outbox.put(MISDETECTION)
    with pytest.raises(MessageRefused):
        outbox.put(MISDETECTION.model_copy(update={"camera": "free text, and more of it"}))
    outbox.put(MISDETECTION)
    outbox.start()
    wait_until(lambda: outbox.counts.connected)
    outbox.stop()
    assert sum(len(message.reports) for message in _messages(bus, Lane.EVIDENCE)) == 2


def test_batched_reports_wait_on_disk_while_the_broker_is_lost_and_keep_their_ids(tmp_path: Path) -> None:
    lost = LostBus()
    before = _outbox(tmp_path, lost)
    before.start()
    for report in (HAZARD, MISDETECTION, MISDETECTION):
        before.put(report)
    before.stop()
    kept = Spool(tmp_path).ids()
    assert len(kept) == 2
    bus = _bus()
    after = _outbox(tmp_path, bus)
    after.start()
    wait_until(lambda: after.counts.waiting == 0)
    after.stop()
    received = [*_messages(bus, Lane.HAZARDS), *_messages(bus, Lane.EVIDENCE)]
    assert sorted(message.id for message in received) == kept
    assert sum(len(message.reports) for message in received) == 3
    assert not Spool(tmp_path).ids()


def test_at_the_capacity_whole_messages_are_shed_and_their_reports_counted(tmp_path: Path) -> None:
    outbox = _outbox(tmp_path, LostBus(), patience=BatchingDelays(0.0, 0.0, 0.001), capacity=2)
    for _ in range(2):
        futures = [outbox.put(MISDETECTION) for _ in range(3)]
        time.sleep(0.01)
        outbox.stop()
    outbox.put(HAZARD)
    outbox.put(HAZARD)
    assert outbox.counts.shed == {"misdetection": 6}
    assert futures[0].result(0) is False
    assert len(list(tmp_path.glob("*.part"))) == 0


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from edge.ids import ids_of_a_run
from edge.outbox.batching import BatchingDelays
from edge.outbox.outbox import Outbox
from tests.support.messaging.samples import HAZARD, MISDETECTION

async def never():
    await asyncio.sleep(60)

outbox = Outbox("s1", Path(sys.argv[1]), never, now_utc=lambda: 1.8e9, new_id=ids_of_a_run(),
                patience=BatchingDelays(60.0, 60.0, 60.0))
outbox.start()
for _ in range(7):
    outbox.put(MISDETECTION)
outbox.put(HAZARD)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_node_killed_while_a_batch_is_open_loses_nothing_and_sends_nothing_twice(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -9
    kept = {path: path.read_bytes() for path in tmp_path.glob("*.part")}
    bus = _bus()
    for _ in range(2):
        outbox = _outbox(tmp_path, bus)
        outbox.start()
        wait_until(lambda: outbox.counts.waiting == 0)  # noqa: B023  # waited for within the round
        outbox.stop()
        for path, data in kept.items():
            path.write_bytes(data)  # as if killed again before the part was removed
    assert sum(len(m.reports) for m in _messages(bus, Lane.EVIDENCE)) == 7
    assert sum(len(m.reports) for m in _messages(bus, Lane.HAZARDS)) == 1


def test_a_line_truncated_by_the_kill_is_not_a_report(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    message_id = ids_of_a_run()()
    with spool.open_message(message_id, "s1", 1_800_000_000, "misdetection") as file:
        line = MISDETECTION.model_dump_json().encode()
        file.write(line + b"\n" + line[:40])
    waiting = spool.read(message_id)
    assert waiting is not None
    assert decode(waiting.data).reports == (MISDETECTION,)


def _no_room(*_: object) -> BinaryIO:
    raise OSError(errno.ENOSPC, "No space left on device")


def _no_room_for_lines(*_: object) -> BinaryIO:
    return Path("/dev/full").open("wb")


@pytest.mark.parametrize("open_message", [_no_room, _no_room_for_lines])
def test_on_a_full_disk_reports_are_batched_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_message: Callable[..., BinaryIO]
) -> None:
    monkeypatch.setattr(Spool, "open_message", open_message)
    bus = _bus()
    outbox = _outbox(tmp_path, bus)
    futures = [outbox.put(HAZARD) for _ in range(2)]
    outbox.start()
    assert all(future.result(8) for future in futures)
    outbox.stop()
    (message,) = _messages(bus, Lane.HAZARDS)
    assert message.reports == (HAZARD, HAZARD)


@pytest.mark.parametrize("content", [b"", b"{}\n", b'{"site":"s1","at_utc":1,"kind":"hazard"}\n', b"\xff\n"])
def test_a_file_that_is_no_message_is_set_aside(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "X.part").write_bytes(content)
    assert Spool(tmp_path).read("X") is None
    assert [path.name for path in tmp_path.iterdir()] == ["X.unreadable"]


def test_ids_of_a_run_increase_and_two_runs_have_none_in_common() -> None:
    first, second = ids_of_a_run(), ids_of_a_run()
    ids = [first() for _ in range(3)]
    assert [ulid_number(i) - ulid_number(ids[0]) for i in ids] == [0, 1, 2]
    assert abs(ulid_number(second()) - ulid_number(ids[0])) > 2**32
