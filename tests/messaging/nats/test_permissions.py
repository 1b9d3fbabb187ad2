"""Two sites at a real hub: each may do exactly what its list allows, and nothing of the other's."""

import asyncio
import os
import shutil
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.bus import Link
from messaging.errors import ConfigurationError, WireError, WireForbidden, WireUnavailable
from messaging.memory_bus import subject_matches
from messaging.nats import credentials
from messaging.nats.blobs import NatsBlobs
from messaging.nats.broker_config import hub_config
from messaging.nats.bus import NatsBus
from messaging.nats.connection import NatsConnection
from messaging.nats.credentials import HubAuthority, key_in_file, key_of, new_user_key
from messaging.nats.permissions import gate_at_hub, node_at_site
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import TUF_BUCKET, inbox_prefix
from messaging.wire_format.codec import PAYLOADS, Lane
from tests.support.brokers import Hub, Site, running_hub, running_site
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


def _matrix() -> list[str]:
    """Subjects of all sorts, for both sites and for none."""
    subjects = []
    for name in ("s1", "s2"):
        subjects += [f"site.{name}.report.{kind}.ID" for kind in (*PAYLOADS, "snapshot", "frames")]
        subjects += [f"site.{name}.ledger.checkpoint", f"site.{name}.ledger.other", f"site.{name}.cmd.wake"]
        for bucket in ("HEARTBEATS", "ORDERS", "RECEIPTS"):
            subjects += [f"$KV.{bucket}.{name}", f"$JS.API.DIRECT.GET.KV_{bucket}.$KV.{bucket}.{name}"]
    for bucket in ("models", "tuf"):
        subjects += [f"$O.{bucket}.C.abc", f"$O.{bucket}.M.abc", f"$JS.API.DIRECT.GET.OBJ_{bucket}"]
        subjects += [f"$JS.API.DIRECT.GET.OBJ_{bucket}.$O.{bucket}.M.abc"]
        subjects += [f"$JS.API.STREAM.PURGE.OBJ_{bucket}", f"$JS.API.STREAM.MSG.GET.OBJ_{bucket}"]
    for bucket in ("HEARTBEATS", "ORDERS", "RECEIPTS"):
        subjects += [f"$JS.API.DIRECT.GET.KV_{bucket}", f"$JS.API.STREAM.MSG.GET.KV_{bucket}"]
    subjects += [
        f"$JS.API.{method}.FLEET_REPORTS"
        for method in ("STREAM.INFO", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.GET", "DIRECT.GET")
    ]
    subjects += ["$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.CONSUMER.DURABLE.CREATE.FLEET_REPORTS.x"]
    subjects += ["$JS.API.CONSUMER.MSG.NEXT.FLEET_REPORTS.ingest", "$JS.ACK.FLEET_REPORTS.ingest.1.1.1.1.0"]
    subjects += ["$SYS.REQ.SERVER.PING", "_INBOX_s2.abc", "dead.letters", "anything"]
    return subjects


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
        for subject in _matrix():
            expected = any(subject_matches(pattern, subject) for pattern in listed)
            if await _allowed_to_publish(wire, subject) != expected:
                wrong.append(subject)
        await wire.close()
        return wrong

    assert asyncio.run(scenario()) == []


def test_the_list_of_a_gate_has_no_foreign_site_no_admin_and_no_bare_wildcard() -> None:
    listed = gate_at_hub("s1")
    foreign = [s for s in _matrix() if "s2" in s or "STREAM." in s or "CONSUMER." in s or "$SYS" in s]
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
    path = str(hub.authority.enrol_site("s1"))

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
        for subject in (*_matrix(), "$JS.API.STREAM.PURGE.HAZARDS", "$JS.API.CONSUMER.MSG.NEXT.HAZARDS.fwd"):
            expected = any(subject_matches(pattern, subject) for pattern in listed)
            if await _allowed_to_publish(wire, subject) != expected:
                wrong.append(subject)
        await wire.close()
        return wrong

    assert asyncio.run(scenario()) == []


def test_a_site_broker_admits_nobody_without_its_seed(site: Site, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.nk"
    stranger.write_text(new_user_key().seed)
    for link in (Link(site.broker.url, "nobody"), Link(site.broker.url, "x", nkey_seed_path=str(stranger))):
        with pytest.raises(WireForbidden):
            asyncio.run(NatsBus.connect(link))


def test_a_revoked_site_is_cut_off_and_the_others_stay(tmp_path: Path) -> None:
    async def scenario(hub: Hub) -> None:
        stolen = tmp_path / "stolen.creds"
        shutil.copy(hub.authority.enrol_site("s1"), stolen)
        thief_link = Link(
            hub.broker.url, "thief", credentials_path=str(stolen), inbox_prefix=inbox_prefix("s1")
        )
        cloud = await NatsBus.connect(hub.cloud_link())
        await prepare_hub(cloud)
        thief = await NatsBus.connect(thief_link)
        await thief.publish("site.s1.report.hazard.A", b"x", message_id="A")
        hub.authority.revoke_site("s1")
        hub.broker.reload(hub_config(hub.folder / "hub", hub.authority))
        await eventually_cut_off(thief)
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


def test_keys_are_in_files_that_only_their_owner_may_read(tmp_path: Path) -> None:
    authority = HubAuthority(tmp_path / "keys", now_utc=int(time.time()))
    first = authority.enrol_site("s1")
    assert authority.enrol_site("s1").read_bytes() == first.read_bytes()
    again = HubAuthority(tmp_path / "keys", now_utc=int(time.time()))
    assert again.enrol_site("s1").read_bytes() == first.read_bytes()
    for path in (tmp_path / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_credentials_that_were_replaced_for_new_permissions_are_revoked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(hub: Hub) -> None:
        monkeypatch.setattr(credentials, "gate_at_hub", node_at_site)
        replaced = tmp_path / "replaced.creds"
        shutil.copy(hub.authority.enrol_site("s1"), replaced)
        monkeypatch.undo()
        link = Link(hub.broker.url, "old", credentials_path=str(replaced), inbox_prefix=inbox_prefix("s1"))
        assert hub.authority.enrol_site("s1").read_bytes() != replaced.read_bytes()
        await (await NatsBus.connect(link)).close()
        hub.authority.revoke_site("s1")
        hub.broker.reload(hub_config(hub.folder / "hub", hub.authority))
        await eventually_refused(link)

    with running_hub(tmp_path) as hub:
        asyncio.run(asyncio.wait_for(scenario(hub), 60))


async def eventually_cut_off(bus: NatsBus) -> None:
    """Wait until a connected site can no longer publish; the report it repeats is stored once."""
    end = time.monotonic() + 5.0
    while True:
        try:
            await bus.publish("site.s1.report.hazard.A", b"x", message_id="A")
        except (WireForbidden, WireUnavailable):
            return
        assert time.monotonic() < end, "the site can still publish"
        await asyncio.sleep(0.05)


def _accepts_connections(hub: Hub) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(hub.broker.url.rsplit(":", 1)[1]))) == 0


async def eventually_refused(link: Link, timeout_s: float = 5.0) -> None:
    """Wait until the hub refuses new connections with these credentials."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            await (await NatsBus.connect(link)).close()
        except WireForbidden:
            return
        assert time.monotonic() < end, "the credentials are still accepted"
        await asyncio.sleep(0.05)


def test_a_text_that_is_no_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not an nkey seed"):
        key_of("SUAGARBAGE")
    pair = key_in_file(tmp_path / "user.nk")
    assert key_in_file(tmp_path / "user.nk") == pair
    assert pair.public.startswith("U")
