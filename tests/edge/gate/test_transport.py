"""The bytes of all ledger entries together are those that the gate wrote to its hub, also after a kill."""

import asyncio
import errno
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ulid import ULID

from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import TRANSPORT, Outgoing, verify
from edge.gate.program import run_gate
from edge.gate.settings import STATUS_FILE
from edge.gate.status_file import unlisted_before
from edge.gate.transport import PERIOD_S, Transport, Unlisted
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import HEARTBEATS, report_subject
from messaging.nats.written_bytes import WrittenBytes
from messaging.reports import Heartbeat
from messaging.wire_format.codec import Message, encode
from tests.support.brokers import running_hub, running_site
from tests.support.edge.gate_stage import admission_of
from tests.support.edge.gates import gate_settings, start_gate, status_of
from tests.support.faults.tcp_proxy import tcp_proxy
from tests.support.messaging.samples import HAZARD, HEARTBEAT, dated
from tests.support.messaging.site_keys import site_key

NOW = 1_800_000_000
REPORT = b"HPUB site.s1.report.hazard.01J _INBOX.x 12 112\r\nNATS/1.0\r\n\r\n" + 100 * b"x" + b"\r\n"


class Stage:
    """A ledger, what is written, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.now, self.written = float(NOW), WrittenBytes()
        self.ledger = Ledger(folder, site_key("s1"))

    def transport(self, left: Unlisted | None = None) -> Transport:
        return Transport(self.ledger, self.written, now_utc=lambda: self.now, left=left)

    def report(self, message_id: str = "m1") -> None:
        """List a payload of 100 bytes, then write it."""
        self.ledger.append([Outgoing(message_id, "s", "hazard", 100 * b"x")], int(self.now))
        self.written.add(REPORT)

    @property
    def beside(self) -> dict[str, int]:
        """The bytes of the transport entries by what they were for."""
        entries = [self.ledger.entry(n + 1) for n in range(self.ledger.head.n)]
        return {one.subject: one.length_bytes for one in entries if one is not None and one.kind == TRANSPORT}


def test_a_period_has_an_entry_for_each_purpose_without_the_payloads_that_were_listed(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    transport = stage.transport()
    stage.report()
    stage.written.add(b"PING\r\n")
    stage.now += PERIOD_S - 1
    transport.enter_when_due()
    assert stage.beside == {}, "the period is not over"
    stage.now += 1
    transport.enter_when_due()
    assert stage.beside == {"hazard": len(REPORT) - 100, "ping": 6}
    assert sum(total.bytes for total in stage.ledger.by_kind.values()) == stage.written.by_kind.total()
    transport.enter()
    assert transport.unlisted().bytes == {}
    stage.ledger.close()
    assert verify(tmp_path).by_kind_and_day["transport: ping", "2027-01-15"].bytes == 6


def test_a_heartbeat_states_what_the_gate_has_written_and_never_what_the_node_states(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "ledger")
    transport = stage.transport()
    stage.written.add(b"PING\r\n")
    transport.enter()
    stage.written.add(b"PONG\r\n")
    admission = replace(admission_of(tmp_path), transport_bytes=transport.bytes_in_all)
    sent = admission.heartbeat(Message(str(ULID()), "s1", NOW, HEARTBEAT), NOW).report
    assert isinstance(sent, Heartbeat)
    assert (sent.transport_bytes, HEARTBEAT.transport_bytes) == (12, 7_654_321)


def test_a_payload_that_is_sent_again_is_entered_beside_its_only_entry(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    transport = stage.transport()
    stage.report("m1")
    stage.report("m1")
    transport.enter()
    assert stage.beside == {"hazard": 2 * len(REPORT) - 100}


def test_what_a_killed_gate_had_not_entered_is_entered_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    left = Unlisted(since_utc=NOW - 9, bytes={"ping": 60, "hazard": 7})
    for _ in range(3):
        transport = stage.transport(left)
        assert stage.beside == {"ping": 60, "hazard": 7}
    stage.written.add(b"PING\r\n")
    transport.enter()
    assert stage.ledger.by_kind[TRANSPORT].bytes == 73


def test_a_clock_that_is_set_back_gives_no_period_the_name_of_another(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    transport = stage.transport()
    for _ in range(3):
        stage.written.add(b"PING\r\n")
        stage.now -= 1000
        transport.enter()
    assert stage.ledger.by_kind[TRANSPORT].bytes == 18


def test_a_full_disk_leaves_the_period_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path)
    transport = stage.transport()
    stage.written.add(b"PING\r\n")

    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        transport.enter()
    assert (transport.unlisted().bytes, stage.ledger.head.n) == ({"ping": 6}, 0)
    transport.enter()
    assert stage.beside == {"ping": 6}


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen in time")


async def _send(node: NatsBus, number: int) -> None:
    for _ in range(number):
        message = Message(str(ULID()), "s1", int(time.time()), dated(HAZARD, time.time()))
        subject = report_subject("s1", message.kind, message.id)
        await node.publish(subject, encode(message), message_id=message.id)
    beat = Message(str(ULID()), "s1", int(time.time()), HEARTBEAT)
    await node.put_latest(HEARTBEATS, "s1", encode(beat))


@pytest.mark.broker
def test_the_entries_of_a_gate_have_every_byte_that_passed_on_its_way_to_the_hub(tmp_path: Path) -> None:
    with (
        running_hub(tmp_path) as hub,
        running_site(tmp_path, "s1") as site,
        tcp_proxy(hub.port) as proxy,
    ):
        url = hub.broker.url.replace(str(hub.port), str(proxy.port))
        settings = gate_settings(hub, site, tmp_path, hub_url=url)

        async def scenario() -> None:
            cloud, stop = await NatsBus.connect(hub.cloud_link()), asyncio.Event()
            await prepare_hub(cloud)
            node = await NatsBus.connect(site.node_link())
            gate = asyncio.create_task(run_gate(settings, stop))
            await _until(lambda: status_of(settings).get("link") == "up")
            await _send(node, 5)
            await _until(lambda: status_of(settings).get("forwarded", {}) == {"hazard": 5, "heartbeat": 1})
            stop.set()
            await gate
            await node.close()
            await cloud.close()

        asyncio.run(scenario())
        by_kind = verify(settings.ledger_folder).by_kind
        assert by_kind.keys() == {"hazard", "heartbeat", TRANSPORT}
        assert sum(total.bytes for total in by_kind.values()) == proxy.to_server_bytes
        assert proxy.to_server_bytes > 2 * by_kind["hazard"].bytes > 0, "control: payloads alone are fewer"


@pytest.mark.broker
def test_a_killed_gate_enters_at_its_next_start_what_its_status_has(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub, running_site(tmp_path, "s1") as site:
        settings = gate_settings(hub, site, tmp_path)

        async def scenario() -> None:
            cloud = await NatsBus.connect(hub.cloud_link())
            await prepare_hub(cloud)
            killed = start_gate(settings, tmp_path)
            await _until(lambda: status_of(settings).get("unlisted", {}).get("bytes", {}).get("ping", 0) > 0)
            killed.kill()
            killed.wait(60)
            left = unlisted_before(settings)
            assert left is not None
            assert TRANSPORT not in verify_kinds(), "control: the ledger did not have them"
            again = start_gate(settings, tmp_path)
            await _until(lambda: TRANSPORT in status_of(settings).get("bytes_by_kind", {}))
            again.terminate()
            assert again.wait(60) == 0
            entered = verify(settings.ledger_folder).by_kind[TRANSPORT].bytes
            assert entered > sum(left.bytes.values())
            await cloud.close()

        def verify_kinds() -> set[str]:
            text = (settings.ledger_folder / "ledger.jsonl").read_text()
            return {json.loads(line)["kind"] for line in text.splitlines()}

        asyncio.run(scenario())


@pytest.mark.parametrize(
    "text", ["", "3", "[]", '{"unlisted": 3}', '{"unlisted": {"since_utc": -1, "bytes": {}}}']
)
def test_a_damaged_status_loses_no_more_than_the_bytes_it_had(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = type("Settings", (), {"data_folder": tmp_path})()
    (tmp_path / STATUS_FILE).write_text(text)
    assert unlisted_before(settings) is None
    assert "is damaged, so bytes that no ledger entry has yet are lost" in caplog.text


def test_a_status_of_an_earlier_version_has_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = type("Settings", (), {"data_folder": tmp_path})()
    assert unlisted_before(settings) is None
    (tmp_path / STATUS_FILE).write_text('{"link": "up"}')
    assert unlisted_before(settings) is None
    assert caplog.text == ""
