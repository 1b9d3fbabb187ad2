"""The clock of a cloud is set while it runs: every report is stored once, and releases stay valid."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from ulid import ULID

from cloud.api.client import RemoteCloud
from cloud.errors import CloudUnreachable
from cloud.fleet.hub import enrolment_of, hub_address
from cloud.settings import CloudSettings
from messaging.access_resources import AuditResource, GroupRequest
from messaging.api.dead_letters import DeadLetterResource, ReplayResource
from messaging.bus import Link
from messaging.nats.broker import free_port
from messaging.nats.bus import NatsBus
from messaging.nats.subjects import inbox_prefix
from messaging.release_resources import ModelResource, VerificationResource
from messaging.resources import HazardResource, SiteResource
from messaging.wire_format.codec import Message
from tests.support.cloud.running_cloud import at_present
from tests.support.messaging.samples import HAZARD
from tests.support.messaging.site_keys import publish_signed
from tests.support.set_clock import SetClock
from tests.support.waiting import eventually

SITE, LIMIT_S = "harbour", 60.0
HOUR_S, DAY_S = 3600, 86_400
ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]


@contextmanager
def running(folder: Path, clock: SetClock) -> Iterator["subprocess.Popen[bytes]"]:
    """`blindspot cloud run` with this clock."""
    values: dict[str, Any] = {"data": str(folder / "data"), "api": {"port": 0}, "hub": {"port": free_port()}}
    config, log = folder / "cloud.yaml", folder / "cloud.log"
    config.write_text(yaml.safe_dump({**values, "page": False}))
    command = [sys.executable, "-m", "cloud.cli.main", "cloud", "run", "--config", str(config)]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **clock.environment}, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


async def answering(data: Path) -> RemoteCloud:
    """A client of the cloud, as soon as it answers."""
    async with asyncio.timeout(120):
        while True:
            try:
                cloud = RemoteCloud.of_folder(data)
                cloud.page("sites", SiteResource)
            except CloudUnreachable:
                await asyncio.sleep(0.2)
            else:
                return cloud


async def connected(data: Path, cloud: RemoteCloud) -> NatsBus:
    """The connection of a site that is added now."""
    cloud.send("PUT", f"sites/{SITE}", SiteResource)
    folder = CloudSettings(data=data).folder
    files = enrolment_of(folder, SITE)
    address = hub_address(folder) or ""
    link = Link(address, "gate", credentials_path=str(files.credentials), inbox_prefix=inbox_prefix(SITE))
    return await NatsBus.connect(link)


async def report(bus: NatsBus) -> str:
    """Report a hazard at the true time; its id."""
    hazard = HAZARD.model_copy(update={"event": str(ULID())})
    sent = Message(str(ULID()), SITE, int(time.time()), at_present(hazard))
    await publish_signed(bus, sent)
    return sent.id


def read_by(cloud: RemoteCloud, clock: SetClock) -> bool:
    """Whether the cloud reads the clock: by the entry of a change in its audit log."""
    cloud.send("PUT", f"sites/{SITE}/group", SiteResource, GroupRequest(group="docks"))
    (last, *_) = cloud.page("audit", AuditResource)
    return abs(last.at_utc - clock.now_utc) < 30


def test_reports_are_stored_once_whatever_the_clock_of_the_cloud_was_set_to_meanwhile(tmp_path: Path) -> None:
    async def scenario(process: "subprocess.Popen[bytes]", clock: SetClock) -> None:
        cloud = await answering(tmp_path / "data")
        bus, sent = await connected(tmp_path / "data", cloud), list[str]()

        def arrived() -> bool:
            found = [*cloud.page("hazards", HazardResource), *cloud.page("dead-letters", DeadLetterResource)]
            return len(found) == len(sent)

        for offset_s in (0, HOUR_S, -DAY_S, 600 - int(time.time()), 0):
            clock.set(offset_s)
            await eventually(lambda: read_by(cloud, clock), LIMIT_S, "the cloud reads the clock that was set")
            sent += [await report(bus) for _ in range(3)]
            await eventually(arrived, LIMIT_S, f"the hazards are there at {offset_s} s")
        assert process.poll() is None, "the cloud ended"

        refused = cloud.page("dead-letters", DeadLetterResource)
        assert all("set the site's clock" in letter.reason for letter in refused)
        for letter in refused:
            cloud.send("POST", f"dead-letters/{letter.id}/replay", ReplayResource)
        assert len(cloud.page("hazards", HazardResource)) == len(sent)
        assert cloud.page("dead-letters", DeadLetterResource) == []
        for model in cloud.page("models", ModelResource):
            verified = cloud.get(f"models/{model.digest}/verification", VerificationResource)
            assert verified.valid, verified.fault
        await bus.close()

    clock = SetClock(tmp_path / "clock")
    with running(tmp_path, clock) as process:
        asyncio.run(scenario(process, clock))
    assert "Traceback" not in (tmp_path / "cloud.log").read_text()
