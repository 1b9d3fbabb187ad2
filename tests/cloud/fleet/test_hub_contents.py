"""A hub that loses its disk under a running cloud gets back all that it keeps for sites."""

import asyncio
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from cloud import app
from cloud.api.client import RemoteCloud
from cloud.fleet.hub import enrolment_of, hub_address
from cloud.fleet.hub_contents import HubContents
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings
from edge.gate.mirror import Mirror
from messaging.blobs import digest_of
from messaging.bus import Link
from messaging.errors import WireError
from messaging.nats.blobs import NatsBlobs
from messaging.nats.bus import NatsBus
from messaging.nats.subjects import RENEWALS, TUF_BUCKET, inbox_prefix
from messaging.resources import SiteResource
from tests.support.cloud.running_cloud import FIRST, RunningCloud, running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

LIMIT_S = 60.0


def _lose_disk(hub: Path) -> None:
    """kill -9 of the hub's nats-server, whose store is gone; the cloud starts it again."""
    (server,) = [
        child
        for child in psutil.Process().children(recursive=True)
        if str(hub / "server.conf") in (child.as_dict(["cmdline"])["cmdline"] or ())  # None: it has ended
    ]
    (hub / "store").rename(hub / "lost")
    os.kill(server.pid, signal.SIGKILL)


def _gate_link(cloud: RunningCloud, client: RemoteCloud, copy: Path) -> Link:
    client.send("PUT", "sites/harbour", SiteResource)
    shutil.copy(enrolment_of(cloud.settings.folder, "harbour").credentials, copy)
    address = hub_address(cloud.settings.folder) or ""
    return Link(address, "gate-harbour", credentials_path=str(copy), inbox_prefix=inbox_prefix("harbour"))


async def _mirrored(link: Link, folder: Path, *, credentials: bool) -> None:
    """Fill a new mirror from the hub, as the gate of a site with an empty disk does.

    With `credentials` their renewal is there too; a site that was just enrolled needs none.
    """
    end, found = time.monotonic() + LIMIT_S, "nothing"
    while time.monotonic() < end:
        try:
            bus = await NatsBus.connect(link, timeout_s=2.0)
            try:
                mirror = Mirror(
                    *("harbour", folder, bus),
                    metadata=NatsBlobs(bus, TUF_BUCKET, prefix=""),
                    targets=NatsBlobs(bus),
                    max_target_bytes=2**20,
                )
                await mirror.refresh()
                renewal = await bus.get_latest(RENEWALS, "harbour")
                found = f"{mirror.target_count} bundles, {mirror.missing}, credentials: {renewal is not None}"
                if (mirror.target_count, mirror.missing) == (1, "") and (
                    renewal is not None or not credentials
                ):
                    return
            finally:
                await bus.close()
        except WireError as error:
            found = str(error)
        await asyncio.sleep(0.3)
    raise AssertionError(f"the mirror is not complete: {found}")


def test_releases_orders_and_credentials_return_to_a_hub_that_lost_its_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "HUB_CONTENTS_EVERY_S", 0.5)
    filled, step = threading.Event(), HubContents.step

    async def counted(contents: HubContents) -> None:
        await step(contents)
        filled.set()

    monkeypatch.setattr(HubContents, "step", counted)
    settings = CloudSettings(data=tmp_path / "cloud", api=ApiSettings(port=0))
    running = running_cloud(settings, lambda _: ScriptedStages(), embedded_hub=True)
    with running as cloud, cloud.client() as client:
        link = _gate_link(cloud, client, tmp_path / "gate.creds")
        asyncio.run(_mirrored(link, tmp_path / "before", credentials=False))
        assert filled.wait(60), "the cloud knows what its hub holds"
        _lose_disk(settings.folder.hub)
        asyncio.run(_mirrored(link, tmp_path / "after", credentials=True))
    assert "the hub has lost what it kept for sites" in caplog.text
    for name in (f"targets/{digest_of(FIRST)}", "orders/harbour.json", "metadata/timestamp.json"):
        assert (tmp_path / "after" / name).read_bytes()
    assert (tmp_path / "after" / "targets" / digest_of(FIRST)).read_bytes() == FIRST
