"""Two sites at a real hub: each may do exactly what its list allows, and nothing of the other's."""

import asyncio
import itertools
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.bus import Link
from messaging.errors import ConfigurationError, WireError, WireForbidden, WireUnavailable
from messaging.memory_bus import subject_matches
from messaging.nats.blobs import NatsBlobs
from messaging.nats.bus import NatsBus
from messaging.nats.connection import NatsConnection
from messaging.nats.credentials import USER, key_in_file, key_of, new_key
from messaging.nats.permissions import gate_at_hub, node_at_site
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import HEARTBEATS, TUF_BUCKET, inbox_prefix
from messaging.wire_format.codec import PAYLOADS, Lane
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.messaging.permission_matrix import (
    HEADERS,
    SITE,
    Attempt,
    carried_out,
    every_subject,
    hub_state,
    outside,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as hub:

        async def prepare() -> None:
            bus = await NatsBus.connect(hub.cloud_link())
            tuf = NatsBlobs(bus, TUF_BUCKET, prefix="", max_bytes=2**24)
            await prepare_hub(bus, NatsBlobs(bus), tuf)
            await bus.close()

        asyncio.run(prepare())
        yield hub


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), "s1") as site:

        async def prepare() -> None:
            bus = await NatsBus.connect(site.gate_link())
            await prepare_site(bus, "s1")
            await bus.close()

        asyncio.run(prepare())
        yield site


async def _allowed_to_publish(wire: NatsConnection, subject: str) -> bool:
    try:
        await wire.request(subject, b"", timeout_s=0.1)
    except WireForbidden:
        return False
    except WireError:
        return True
    return True


@pytest.mark.parametrize("name", ["s1", "s2"])
def test_a_gate_may_publish_exactly_its_list(hub: Hub, name: str) -> None:
    listed = gate_at_hub(name).publish

    async def scenario() -> list[str]:
        wire = await NatsConnection.connect(hub.gate_link(name))
        wrong = []
        for subject in every_subject():
            expected = any(subject_matches(pattern, subject) for pattern in listed)
            if await _allowed_to_publish(wire, subject) != expected:
                wrong.append(subject)
        await wire.close()
        return wrong

    assert asyncio.run(scenario()) == []


def test_the_list_of_a_gate_has_no_foreign_site_no_admin_and_no_bare_wildcard() -> None:
    listed = gate_at_hub("s1")
    foreign = [s for s in every_subject() if "s2" in s or "STREAM." in s or "CONSUMER." in s or "$SYS" in s]
    assert not [(p, s) for p in listed.publish for s in foreign if subject_matches(p, s)]
    assert not [p for p in (*listed.publish, *listed.subscribe) if p in (">", "*", "$JS.API.>", "site.>")]
    kinds = {row.kind for row in PAYLOADS.values() if row.lane is not Lane.LATEST}
    assert {s.split(".")[3] for s in listed.publish if ".report." in s} == kinds


@pytest.mark.parametrize(
    ("subject", "received"),
    [
        ("site.s1.cmd.wake", True),
        ("site.s2.cmd.wake", False),
        ("site.*.cmd.wake", False),
        ("site.s1.report.hazard.X", False),
        ("_INBOX_s2.>", False),
        ("_INBOX.>", False),
        (">", False),
        ("$KV.ORDERS.s1", False),
    ],
)
def test_a_gate_receives_its_own_commands_only(hub: Hub, subject: str, received: bool) -> None:
    async def scenario() -> bool:
        wire = await NatsConnection.connect(hub.gate_link("s1"))
        try:
            await wire.wait_hint(subject, 0.15)
        except WireForbidden:
            return False
        finally:
            await wire.close()
        return True

    assert asyncio.run(scenario()) is received


def test_a_gate_with_the_inbox_of_another_site_receives_no_replies(hub: Hub) -> None:
    path = str(hub.enrol("s1"))

    async def scenario() -> None:
        link = Link(hub.broker.url, "other", credentials_path=path, inbox_prefix=inbox_prefix("s2"))
        bus = await NatsBus.connect(link)
        with pytest.raises(WireForbidden):
            await bus.get_latest("ORDERS", "s1")
        await bus.close()

    asyncio.run(scenario())


def test_a_node_may_put_reports_and_nothing_else(site: Site) -> None:
    listed = node_at_site("s1").publish

    async def scenario() -> list[str]:
        wire = await NatsConnection.connect(site.node_link())
        wrong = []
        streams = ("$JS.API.STREAM.PURGE.HAZARDS", "$JS.API.CONSUMER.MSG.NEXT.HAZARDS.fwd")
        for subject in (*every_subject(), *streams):
            expected = any(subject_matches(pattern, subject) for pattern in listed)
            if await _allowed_to_publish(wire, subject) != expected:
                wrong.append(subject)
        await wire.close()
        return wrong

    assert asyncio.run(scenario()) == []


def test_a_node_has_no_effect_on_its_sites_broker_by_the_replies_and_headers_that_it_chooses(
    site: Site,
) -> None:
    """All users of a site's broker are in one account: the answers to a node are acknowledgements only."""
    listed = node_at_site(SITE).publish
    own = [s for s in every_subject() if any(subject_matches(pattern, s) for pattern in listed)]

    async def scenario() -> list[str]:
        gate = await NatsBus.connect(site.gate_link())
        for subject in own:
            await gate.publish(subject, b"old", message_id="")
        first, *_ = await gate.pull("HAZARDS", "fwd", batch=1)
        before = await hub_state(gate)
        streams = ("HAZARDS", "EVIDENCE", f"KV_{HEARTBEATS}")
        methods = ("PURGE", "DELETE", "UPDATE", "MSG.DELETE", "CREATE")
        replies = [f"$JS.API.STREAM.{method}.{stream}" for method in methods for stream in streams]
        replies += [f"$JS.API.CONSUMER.{method}.HAZARDS.fwd" for method in ("DELETE", "MSG.NEXT", "PAUSE")]
        replies += ["$KV.ORDERS.s1", str(getattr(first, "reply_to"))]  # noqa: B009  # of NATS only
        todo = [Attempt(*one) for one in itertools.product(own, replies, HEADERS)]
        await carried_out(site.node_link(), todo)
        await asyncio.sleep(0.3)
        found = outside(before, await hub_state(gate), lambda subject: subject in own)
        await gate.close()
        return found

    assert asyncio.run(asyncio.wait_for(scenario(), 60)) == []


def test_a_site_broker_admits_nobody_without_its_seed(site: Site, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.nk"
    stranger.write_text(new_key(USER).seed)
    for link in (Link(site.broker.url, "nobody"), Link(site.broker.url, "x", nkey_seed_path=str(stranger))):
        with pytest.raises(WireForbidden):
            asyncio.run(NatsBus.connect(link))


def test_a_revoked_site_is_cut_off_and_the_others_stay(tmp_path: Path) -> None:
    async def scenario(hub: Hub) -> None:
        stolen = tmp_path / "stolen.creds"
        shutil.copy(hub.enrol("s1"), stolen)
        thief_link = Link(
            hub.broker.url, "thief", credentials_path=str(stolen), inbox_prefix=inbox_prefix("s1")
        )
        cloud = await NatsBus.connect(hub.cloud_link())
        await prepare_hub(cloud)
        thief = await NatsBus.connect(thief_link)
        await thief.publish("site.s1.report.hazard.A", b"x", message_id="A")
        hub.revoke("s1")
        await eventually(lambda: not thief.connected, 5.0)
        assert hub.broker.restarts == 0
        with pytest.raises((WireForbidden, WireUnavailable)):
            await thief.publish("site.s1.report.hazard.B", b"x", message_id="B")
        with pytest.raises(WireForbidden):
            await NatsBus.connect(thief_link)
        killed = hub.broker.pid
        os.kill(killed or 0, signal.SIGKILL)
        await eventually(lambda: hub.broker.pid not in (None, killed) and _accepts_connections(hub))
        fresh = await NatsBus.connect(hub.gate_link("s1"))
        await fresh.publish("site.s1.report.hazard.C", b"x", message_id="C")
        with pytest.raises(WireForbidden):
            await NatsBus.connect(thief_link)
        assert (await cloud.stream_state("FLEET_REPORTS")).messages == 2
        for bus in (cloud, thief, fresh):
            await bus.close()

    with running_hub(tmp_path) as hub:
        asyncio.run(asyncio.wait_for(scenario(hub), 60))


def _accepts_connections(hub: Hub) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(hub.broker.url.rsplit(":", 1)[1]))) == 0


def test_a_text_that_is_no_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not an nkey seed"):
        key_of("SUAGARBAGE")
    pair = key_in_file(tmp_path / "user.nk")
    assert key_in_file(tmp_path / "user.nk") == pair
    assert pair.public.startswith("U")
