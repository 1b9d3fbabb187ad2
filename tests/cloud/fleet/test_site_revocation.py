"""A site is revoked at a running cloud with a real broker: cut off, refused, and enrolled again."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cloud.access.refused_credentials import NOT_RECOGNISED
from cloud.api.client import RemoteCloud
from cloud.errors import NotKnown
from cloud.fleet.hub import enrolment_of, hub_address
from cloud.network_settings import ApiSettings, TlsSettings
from cloud.settings import CloudSettings
from messaging.access_resources import AuditResource
from messaging.bus import Link
from messaging.errors import ConnectionRefused, WireForbidden
from messaging.nats.bus import NatsBus
from messaging.nats.connection import NatsConnection
from messaging.nats.subjects import inbox_prefix
from messaging.nats.written_bytes import WrittenBytes
from messaging.resources import SiteResource
from messaging.tls.connections import ClientTls
from tests.support.cloud.running_cloud import RunningCloud, at_present, running_cloud
from tests.support.cloud.sample_reports import message, misdetection
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.messaging.site_keys import publish_signed
from tests.support.waiting import eventually

CUT_OFF_WITHIN_S = 5.0


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def cloud(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningCloud]:
    tls = TlsSettings(on_loopback=request.param)
    settings = CloudSettings(data=tmp_path / "cloud", api=ApiSettings(port=0), tls=tls)
    with running_cloud(
        settings, lambda _: ScriptedStages(), first_models=lambda _: None, embedded_hub=True
    ) as up:
        yield up


@pytest.fixture
def client(cloud: RunningCloud) -> Iterator[RemoteCloud]:
    with cloud.client() as found:
        yield found


def enrolled(cloud: RunningCloud, client: RemoteCloud, site: str, copy: Path) -> Link:
    """Enrol a site as `blindspot sites add` does; the link uses copies of its files, as a gate does."""
    client.send("PUT", f"sites/{site}", SiteResource)
    files, tls = enrolment_of(cloud.settings.folder, site), None
    shutil.copy(files.credentials, copy)
    if files.ca is not None and files.certificate is not None:
        tls = ClientTls(files.ca, Path(shutil.copy(files.certificate, copy.with_suffix(".pem"))))
    address = hub_address(cloud.settings.folder) or ""
    return Link(address, f"gate-{site}", credentials_path=str(copy), tls=tls, inbox_prefix=inbox_prefix(site))


async def report(bus: NatsBus, site: str) -> None:
    sent = message(at_present(misdetection()), site)
    await publish_signed(bus, sent)


def received(cloud: RunningCloud, site: str) -> int:
    assert cloud.parts is not None
    return sum(row.site == site for row in cloud.parts.reports.misdetections())


def state_of(client: RemoteCloud, site: str) -> SiteResource:
    return next(found for found in client.page("sites", SiteResource) if found.site == site)


def refusals(client: RemoteCloud) -> list[AuditResource]:
    return list(client.page("audit", AuditResource, user=NOT_RECOGNISED))


def test_a_revoked_site_is_cut_off_and_enrolled_again_with_new_credentials(
    cloud: RunningCloud, client: RemoteCloud, tmp_path: Path
) -> None:
    async def scenario() -> None:
        old_link = enrolled(cloud, client, "harbour", tmp_path / "old.creds")
        other = await NatsBus.connect(enrolled(cloud, client, "tunnel", tmp_path / "tunnel.creds"))
        gate = await NatsBus.connect(old_link)
        await report(gate, "harbour")
        await eventually(lambda: received(cloud, "harbour") == 1)

        started = time.monotonic()
        client.send("POST", "sites/harbour/revoke", SiteResource)
        await eventually(lambda: not gate.connected, CUT_OFF_WITHIN_S, "the gate is disconnected")
        assert time.monotonic() - started < CUT_OFF_WITHIN_S
        with pytest.raises(WireForbidden, match=r"run `blindspot sites add` for the site"):
            await report(gate, "harbour")
        with pytest.raises(WireForbidden):
            await NatsBus.connect(old_link)
        await eventually(lambda: bool(refusals(client)), what="the refusal is in the audit log")
        assert {one.status for one in refusals(client)} == {401}
        assert state_of(client, "harbour").revoked
        await report(other, "tunnel")
        await eventually(lambda: received(cloud, "tunnel") == 1)

        new_link = enrolled(cloud, client, "harbour", tmp_path / "new.creds")
        assert (tmp_path / "new.creds").read_bytes() != (tmp_path / "old.creds").read_bytes()
        renewed = await NatsBus.connect(new_link)
        before = received(cloud, "harbour")
        await report(renewed, "harbour")
        await eventually(lambda: received(cloud, "harbour") == before + 1)
        assert not state_of(client, "harbour").revoked
        with pytest.raises(WireForbidden):
            await NatsBus.connect(old_link)
        for bus in (gate, other, renewed):
            await bus.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_revoked_gate_tries_again_a_few_times_and_reports_once_it_is_enrolled_again(
    cloud: RunningCloud, client: RemoteCloud, tmp_path: Path
) -> None:
    async def scenario() -> None:
        credentials, written = tmp_path / "gate.creds", WrittenBytes()
        link = enrolled(cloud, client, "harbour", credentials)
        gate = NatsBus(await NatsConnection.connect(link, written=written))
        client.send("POST", "sites/harbour/revoke", SiteResource)
        await eventually(lambda: not gate.connected, CUT_OFF_WITHIN_S, "the gate is disconnected")
        before, until = sum(written.by_kind.values()), time.monotonic() + 4.0
        while time.monotonic() < until:
            with pytest.raises(ConnectionRefused, match=r"run `blindspot sites add` for the site"):
                await report(gate, "harbour")
            await asyncio.sleep(0.02)
        attempts = (sum(written.by_kind.values()) - before) / len(claims_of(credentials))
        assert attempts < 6, "an attempt writes the claims once, or nothing where a certificate is refused"
        assert attempts > 0 or link.tls is not None

        enrolled(cloud, client, "harbour", credentials)
        async with asyncio.timeout(30):
            while received(cloud, "harbour") == 0:
                with contextlib.suppress(ConnectionRefused):
                    await report(gate, "harbour")
                await asyncio.sleep(0.1)
        await gate.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))


def claims_of(credentials: Path) -> str:
    return credentials.read_text().partition("-----BEGIN NATS USER JWT-----\n")[2].partition("\n")[0]


def test_a_revocation_that_was_cut_short_or_undone_by_a_restored_backup_holds_from_the_next_start(
    tmp_path: Path,
) -> None:
    settings = CloudSettings(data=tmp_path / "cloud", api=ApiSettings(port=0))
    run = partial(running_cloud, settings, lambda _: ScriptedStages(), embedded_hub=True)
    with run(first_models=lambda _: None) as cloud, cloud.client() as client:
        links = [enrolled(cloud, client, site, tmp_path / site) for site in ("harbour", "tunnel")]
        assert cloud.parts is not None
        cloud.parts.reports.revoke_site("harbour")

    async def connected(link: Link) -> None:
        await (await NatsBus.connect(link)).close()

    with run(first_models=lambda _: None):
        with pytest.raises(WireForbidden):
            asyncio.run(connected(links[0]))
        asyncio.run(connected(links[1]))


def test_revoking_twice_changes_nothing_and_an_unknown_site_is_refused(
    cloud: RunningCloud, client: RemoteCloud, tmp_path: Path
) -> None:
    enrolled(cloud, client, "harbour", tmp_path / "gate.creds")
    for _ in range(2):
        assert client.send("POST", "sites/harbour/revoke", SiteResource).revoked
    with pytest.raises(NotKnown, match="'attic' is not known"):
        client.send("POST", "sites/attic/revoke", SiteResource)
