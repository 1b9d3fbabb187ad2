"""Every byte that a program writes to a broker is counted, by what it is for."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from messaging.bus import Link
from messaging.errors import WireForbidden
from messaging.nats.bus import NatsBus
from messaging.nats.connection import NatsConnection
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import HEARTBEATS, ORDERS, WAKE, command_subject, report_subject
from messaging.nats.written_bytes import WrittenBytes, kind_of
from tests.support.brokers import running_hub
from tests.support.faults.tcp_proxy import TcpProxy, tcp_proxy

DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (b"HPUB site.s1.report.hazard.01J _INBOX.x 12 14\r\nNATS/1.0\r\n\r\nab\r\n", "hazard"),
        (b"PUB site.s1.report.nothing.01J  2\r\nab\r\n", "other"),
        (b"HPUB $KV.HEARTBEATS.s1 _INBOX.x 12 14\r\nNATS/1.0\r\n\r\nab\r\n", "heartbeat"),
        (b"PUB $KV.CHECKPOINTS.s1 _INBOX.x 2\r\nab\r\n", "checkpoint"),
        (b"PUB $KV 2\r\nab\r\n", "other"),
        (b"PUB $JS.API.DIRECT.GET.KV_RECEIPTS.$KV.RECEIPTS.s1 _INBOX.x 0\r\n\r\n", "read_receipts"),
        (b"PUB $JS.API.DIRECT.GET.OBJ_models _INBOX.x 9\r\n{'seq':1}\r\n", "read_models"),
        (b"PUB $JS.API.DIRECT.GET.OBJ_else _INBOX.x 0\r\n\r\n", "other"),
        (b"PUB anything 2\r\nab\r\n", "other"),
        (b"SUB _INBOX.x.*  1\r\n", "subscribe"),
        (b"UNSUB 1 \r\n", "subscribe"),
        (b"PING\r\n", "ping"),
        (b"PONG\r\n", "ping"),
        (b'CONNECT {"jwt": "ey"}\r\n', "connect"),
        (b"\xff\xfe", "other"),
    ],
)
def test_each_command_has_the_kind_of_what_it_is_for(command: bytes, kind: str) -> None:
    assert kind_of(command) == kind


def test_the_bytes_of_a_day_begin_at_zero_on_the_next() -> None:
    now = [10 * DAY_S]
    written = WrittenBytes(lambda: now[0])
    written.add(b"PING\r\n")
    now[0] += DAY_S - 1
    written.add(b"PONG\r\n")
    assert written.today == {"ping": 12}
    now[0] += 1
    assert written.today == {}
    written.add(b"PING\r\n")
    assert (written.today, written.by_kind) == ({"ping": 6}, {"ping": 18})


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen in time")


async def _passed(proxy: TcpProxy, written: WrittenBytes) -> None:
    """Wait until the broker has what was written; never more than that has passed."""
    await _until(lambda: proxy.to_server_bytes >= written.by_kind.total())


async def _counted(link: Link, written: WrittenBytes) -> NatsBus:
    return NatsBus(await NatsConnection.connect(link, written=written))


async def _use(gate: NatsBus) -> None:
    subject = report_subject("s1", "hazard", "01JAZ5Y9T4X3Q6M2K8B0000001")
    await gate.publish(subject, b"a report", message_id="1", headers={"Some": "header"})
    await gate.put_latest(HEARTBEATS, "s1", b"a heartbeat")
    assert await gate.get_latest(ORDERS, "s1") is None
    await gate.wait_hint(command_subject("s1", WAKE), 0.01)


@pytest.mark.broker
def test_no_byte_reaches_a_hub_that_is_not_counted_also_not_after_a_lost_connection(tmp_path: Path) -> None:
    async def scenario(port: int, proxy: TcpProxy) -> None:
        cloud = await NatsBus.connect(hub.cloud_link())
        await prepare_hub(cloud)
        written = WrittenBytes()
        gate = await _counted(hub.gate_link("s1", port=port), written)
        await _use(gate)
        await _passed(proxy, written)
        assert proxy.to_server_bytes == written.by_kind.total()
        once = written.by_kind["connect"]
        proxy.cut()
        await _until(lambda: proxy.connections > 1 and gate.connected)
        await _use(gate)
        await _until(lambda: proxy.to_server_bytes > written.by_kind.total() - once)
        assert proxy.to_server_bytes <= written.by_kind.total()
        assert written.by_kind["connect"] >= 2 * once > 0
        kinds = "hazard", "heartbeat", "read_orders", "subscribe", "ping", "connect"
        assert written.by_kind.keys() == set(kinds)
        await gate.close()
        await cloud.close()

    with running_hub(tmp_path) as hub, tcp_proxy(hub.port) as proxy:
        asyncio.run(scenario(proxy.port, proxy))


@pytest.mark.broker
def test_what_attempts_with_refused_credentials_write_is_counted(tmp_path: Path) -> None:
    async def scenario() -> None:
        written = WrittenBytes()
        link = replace(hub.gate_link("s1", port=proxy.port), credentials_path=None)
        with pytest.raises(WireForbidden, match="refused the credentials"):
            await _counted(link, written)
        assert written.by_kind["connect"] > 0
        # what is written while the broker ends the connection is counted, and may not reach it
        await _until(lambda: proxy.to_server_bytes > 0)
        assert proxy.to_server_bytes <= written.by_kind.total()

    with running_hub(tmp_path) as hub, tcp_proxy(hub.port) as proxy:
        asyncio.run(scenario())
