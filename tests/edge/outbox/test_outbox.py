"""The outbox: accepted means stored; hazards are never lost; what is shed is counted exactly."""

import asyncio
import errno
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ulid import ULID

from edge.outbox import outbox as outbox_module
from edge.outbox.outbox import Outbox
from edge.outbox.spool import Spool, Waiting, waiting_message
from messaging.bus import Bus, PublishAck
from messaging.errors import MessageRefused, WireUnavailable
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_site
from messaging.nats.subjects import HEARTBEATS, SITE_STREAMS
from messaging.reports import Report
from messaging.wire_format.codec import Lane, Message, decode
from tests.support.messaging.samples import HAZARD, HEARTBEAT, MISDETECTION, PROTOTYPE
from tests.support.waiting import wait_until


class FlakyBus(MemoryBus):
    """A bus whose broker can be lost and respond again."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False

    async def publish(
        self, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> PublishAck:
        if self.lost:
            raise WireUnavailable("the broker does not respond")
        return await super().publish(subject, data, message_id=message_id, headers=headers)


def _bus(*, max_bytes: int = 2**20) -> FlakyBus:
    bus = FlakyBus()
    asyncio.run(prepare_site(bus, "s1", max_bytes=max_bytes))
    return bus


def _outbox(folder: Path, bus: FlakyBus, capacity: int = 100) -> Outbox:
    async def connect() -> Bus:
        if bus.lost:
            raise WireUnavailable("the broker does not respond")
        return bus

    return Outbox("s1", folder, connect, now_utc=lambda: 1_800_000_000.0, new_id=_ids(), capacity=capacity)


def _ids() -> Callable[[], str]:
    return lambda: str(ULID())


def _stored(bus: FlakyBus, lane: Lane) -> list[Report]:
    deliveries = asyncio.run(bus.pull(SITE_STREAMS[lane], "test", batch=1000, timeout_s=0.0))
    return [decode(d.data).report for d in deliveries]


def test_a_report_is_accepted_once_the_broker_has_it(tmp_path: Path) -> None:
    bus = _bus()
    outbox = _outbox(tmp_path, bus)
    outbox.start()
    hazard = outbox.put(HAZARD)
    evidence = outbox.put(MISDETECTION)
    assert hazard.result(5)
    assert evidence.result(5)
    outbox.stop()
    assert outbox.counts.accepted == {"hazard": 1, "misdetection": 1}
    assert _stored(bus, Lane.HAZARDS) == [HAZARD]
    assert _stored(bus, Lane.EVIDENCE) == [MISDETECTION]


def test_a_stop_does_not_wait_for_the_next_attempt_to_connect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()

    async def connect() -> Bus:
        tried.set()
        raise WireUnavailable("the broker is away")

    monkeypatch.setattr(outbox_module, "_FIRST_WAIT_S", 60.0)
    monkeypatch.setattr(outbox_module, "_MAX_WAIT_S", 60.0)
    outbox = Outbox("s1", tmp_path, connect, now_utc=lambda: 1_800_000_000.0, new_id=_ids())
    outbox.start()
    assert tried.wait(60)
    began = time.monotonic()
    outbox.stop(timeout_s=20.0)
    assert time.monotonic() - began < 5


def test_only_the_last_heartbeat_waits_and_becomes_the_last_value(tmp_path: Path) -> None:
    bus = _bus()
    outbox = _outbox(tmp_path, bus)
    first = outbox.put(HEARTBEAT)
    second = outbox.put(HEARTBEAT.model_copy(update={"uptime_s": 99}))
    assert first.result(0) is False
    outbox.start()
    assert second.result(5)
    outbox.stop()
    data = asyncio.run(bus.get_latest(HEARTBEATS, "s1"))
    assert data is not None
    assert decode(data).report.model_dump()["uptime_s"] == 99


def test_reports_wait_while_the_broker_is_lost_and_are_sent_when_it_responds(tmp_path: Path) -> None:
    bus = _bus()
    bus.lost = True
    outbox = _outbox(tmp_path, bus)
    outbox.start()
    futures = [outbox.put(HAZARD) for _ in range(5)]
    wait_until(lambda: len(list(tmp_path.glob("*.json"))) == 5)
    assert outbox.counts.waiting == 5
    assert not outbox.counts.connected
    bus.lost = False
    assert all(future.result(8) for future in futures)
    outbox.stop()
    assert outbox.counts.waiting == 0
    assert not list(tmp_path.glob("*.json"))
    assert len(_stored(bus, Lane.HAZARDS)) == 5


def test_waiting_reports_survive_the_process_and_keep_their_ids(tmp_path: Path) -> None:
    bus = _bus()
    bus.lost = True
    before = _outbox(tmp_path, bus)
    before.start()
    for report in (HAZARD, MISDETECTION):
        before.put(report)
    before.stop()
    kept = sorted(path.stem for path in tmp_path.glob("*.json"))
    assert len(kept) == 2
    bus.lost = False
    after = _outbox(tmp_path, bus)
    after.start()
    wait_until(lambda: after.counts.waiting == 0)
    after.stop()
    deliveries = [
        *asyncio.run(bus.pull("HAZARDS", "test", timeout_s=0.0)),
        *asyncio.run(bus.pull("EVIDENCE", "test", timeout_s=0.0)),
    ]
    assert sorted(d.message_id for d in deliveries) == kept


def test_a_full_disk_while_the_broker_is_lost_is_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(spool: Spool, message: Waiting) -> None:
        tried.append(message.id)
        raise OSError(errno.ENOSPC, "No space left on device")

    bus, tried = _bus(), list[str]()
    bus.lost = True
    monkeypatch.setattr(Spool, "write", full)
    outbox = _outbox(tmp_path, bus, capacity=2)
    outbox.start()
    futures = [outbox.put(HAZARD) for _ in range(4)]
    wait_until(lambda: len(tried) > 3)
    assert (outbox.counts.waiting, outbox.counts.connected) == (4, False)
    assert "No space left on device" in caplog.text
    bus.lost = False
    assert all(future.result(8) for future in futures)
    outbox.stop()
    assert len(_stored(bus, Lane.HAZARDS)) == 4


def test_reports_that_the_disk_cannot_read_for_a_while_are_sent_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(spool: Spool, message_id: str) -> Waiting:
        tried.append(message_id)
        raise OSError(errno.EIO, "Input/output error")

    bus, tried = _bus(), list[str]()
    Spool(tmp_path).write(waiting_message(Message(str(ULID()), "s1", 1_800_000_000, HAZARD)))
    outbox = _outbox(tmp_path, bus)
    with monkeypatch.context() as broken:
        broken.setattr(Spool, "read", fails)
        outbox.start()
        wait_until(lambda: len(tried) > 1)
        assert not outbox.counts.connected
    wait_until(lambda: outbox.counts.waiting == 0)
    outbox.stop()
    assert len(_stored(bus, Lane.HAZARDS)) == 1


def test_at_the_capacity_evidence_goes_in_the_order_of_the_table_and_is_counted(tmp_path: Path) -> None:
    bus = _bus()
    outbox = _outbox(tmp_path, bus, capacity=4)
    shed_first = outbox.put(MISDETECTION)
    outbox.put(PROTOTYPE)
    outbox.put(MISDETECTION)
    outbox.put(HAZARD)
    outbox.put(HAZARD)
    assert shed_first.result(0) is False
    outbox.put(HAZARD)
    assert outbox.counts.shed == {"misdetection": 2}
    assert outbox.put(MISDETECTION).result(0) is False
    outbox.put(HAZARD)
    outbox.put(HAZARD)
    assert outbox.counts.shed == {"misdetection": 3, "prototype": 1}
    outbox.start()
    wait_until(lambda: outbox.counts.waiting == 0)
    outbox.stop()
    assert outbox.counts.accepted == {"hazard": 5}
    assert len(_stored(bus, Lane.HAZARDS)) == 5


def test_a_full_evidence_stream_does_not_delay_hazards(tmp_path: Path) -> None:
    bus = _bus(max_bytes=300)
    outbox = _outbox(tmp_path, bus)
    outbox.start()
    for _ in range(10):
        outbox.put(MISDETECTION)
    wait_until(lambda: outbox.counts.accepted.get("misdetection", 0) >= 2)
    assert outbox.put(HAZARD).result(5)
    assert outbox.counts.waiting > 0
    outbox.stop()
    counts = outbox.counts
    assert counts.accepted["misdetection"] + len(list(tmp_path.glob("*.json"))) == 10


def test_an_id_put_twice_is_stored_once(tmp_path: Path) -> None:
    bus = _bus()
    outbox = _outbox(tmp_path, bus)
    outbox.start()
    same = str(ULID())
    assert outbox.put(HAZARD, message_id=same).result(5)
    assert outbox.put(HAZARD, message_id=same).result(5)
    outbox.stop()
    assert len(_stored(bus, Lane.HAZARDS)) == 1


def test_a_type_outside_the_allow_list_is_refused_at_once(tmp_path: Path) -> None:
    class Snapshot(Report):
        pixels: tuple[int, ...] = (1, 2, 3)

    with pytest.raises(MessageRefused, match="allow-list"):
        _outbox(tmp_path, _bus()).put(Snapshot())


def test_many_threads_put_reports_and_nothing_is_lost(tmp_path: Path) -> None:
    bus = _bus()
    outbox = _outbox(tmp_path, bus, capacity=1000)
    outbox.start()
    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(lambda _: outbox.put(MISDETECTION), range(400)))
    assert all(future.result(8) for future in futures)
    outbox.stop()
    assert len(_stored(bus, Lane.EVIDENCE)) == 400
