"""A running cloud for tests: real store, real workflows, real API; the hub and its sites in memory.

Sites follow orders by script: they respond with receipts, heartbeats, shadow reports and tallies.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cloud.api.client import RemoteCloud
from cloud.app import run_cloud
from cloud.campaigns.requirements import PlanRequirements, Requirement
from cloud.campaigns.stage import StageTable
from cloud.fleet.hub import Hub, hub_authority, write_enrolment
from cloud.fleet.release_register import record_release
from cloud.parts import CloudParts
from cloud.settings import CloudSettings
from cloud.store.records import CampaignPlan
from messaging.blobs import MemoryBlobs, MemoryFiles
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import ORDERS
from messaging.releases import Channel, RolloutOrder
from messaging.reports import CameraHealth, Report, ShadowReport, ShadowTally, SwapOutcome
from messaging.taxonomy import Light, Weather
from messaging.trust.keys import PublicKey
from messaging.trust.orders import verify_order
from messaging.trust.signing import Repository
from tests.support.cloud.sample_reports import MINUTE, heartbeat, message, swap, tally
from tests.support.fake_detector import describe, fake_bundle
from tests.support.messaging.site_keys import publish_signed, put_signed_heartbeat
from tests.support.waiting import eventually

FIRST = fake_bundle("first")
STEP_S = 0.05


@dataclass
class SiteScript:
    """How a site carries out orders: tracks in shadow and those detected, tracks tallied after the swap."""

    tracks_in_shadow: int = 40
    incumbent_detected: int = 10
    candidate_detected: int = 38
    tracks_after: int = 40
    shadow: SwapOutcome = SwapOutcome.SHADOWING
    install: SwapOutcome = SwapOutcome.INSTALLED


def at_present(report: Report) -> Report:
    """The same report, dated now: a cloud refuses others."""
    minute_utc, at_utc = int(time.time() // 60) * 60, int(time.time())
    now = {"minute_utc": minute_utc, "at_utc": at_utc, "started_at_utc": at_utc}
    return report.model_copy(update={name: now[name] for name in now.keys() & type(report).model_fields})


@dataclass
class ScriptedSite:
    """One site that follows orders."""

    name: str
    bus: MemoryBus
    director: PublicKey
    script: SiteScript = field(default_factory=SiteScript)
    model: str | None = None
    last_sequence: int = 0
    orders: list[RolloutOrder] = field(default_factory=list)
    cameras: tuple[CameraHealth, ...] = ()

    async def report(self, report: Report) -> None:
        sent = message(at_present(report), self.name, at=int(time.time()))
        await publish_signed(self.bus, sent)

    async def step(self) -> None:
        envelope = await self.bus.get_latest(ORDERS, self.name)
        if envelope is not None:
            order = verify_order(envelope, self.director)
            if order.sequence > self.last_sequence:
                self.last_sequence = order.sequence
                self.orders.append(order)
                await self._follow(order)
        beat = message(heartbeat(self.model, cameras=self.cameras), self.name, at=int(time.time()))
        await put_signed_heartbeat(self.bus, beat)

    async def _follow(self, order: RolloutOrder) -> None:
        if order.channel is Channel.TRIAL:
            await self.report(swap(order.sequence, order.digest, self.script.shadow, Channel.TRIAL))
            if self.script.shadow is SwapOutcome.SHADOWING:
                await self.report(self._shadow(order.digest))
            return
        fresh = order.digest != self.model
        outcome = self.script.install if fresh and self.model is not None else SwapOutcome.INSTALLED
        await self.report(swap(order.sequence, order.digest, outcome))
        if outcome is SwapOutcome.INSTALLED:
            if fresh and self.model is not None and not order.downgrade:
                tracks = self.script.tracks_after
                await self.report(
                    tally(model_digest=order.digest, supported=tracks, detected=tracks - tracks // 20)
                )
            self.model = order.digest

    def _shadow(self, candidate: str) -> ShadowReport:
        cell = ShadowTally(
            class_name="pothole",
            light=Light.NIGHT,
            weather=Weather.RAIN,
            supported=self.script.tracks_in_shadow,
            incumbent_detected=self.script.incumbent_detected,
            candidate_detected=self.script.candidate_detected,
            incumbent_unsupported=1,
            candidate_unsupported=1,
        )
        return ShadowReport(
            incumbent_digest=self.model or "0" * 64,
            candidate_digest=candidate,
            frames=500,
            candidate_p95_ms=10.0,
            incumbent_p95_ms=10.0,
            candidate_failures=0,
            tallies=(cell,),
            final=False,
            minute_utc=MINUTE,
        )


def release_first(parts: CloudParts) -> None:
    """Release a fake bundle as the first model of the fleet."""
    if parts.releases.current_service() is None:
        parts.models.keep_bundle(FIRST)
        manifest = parts.publisher.publish_first(FIRST, describe("first"))
        record_release(
            parts.releases,
            manifest,
            describe("first").model_dump(mode="json"),
            campaign=None,
            signed_at=MINUTE,
        )


class RunningCloud:
    """The cloud that runs in another thread, as a test uses it."""

    def __init__(self, settings: CloudSettings) -> None:
        self.settings = settings
        self.bus = MemoryBus()
        self.parts: CloudParts | None = None
        self.sites: dict[str, ScriptedSite] = {}
        self.loop: asyncio.AbstractEventLoop | None = None

    def call(self, make: Callable[[], Any]) -> Any:
        """Run a coroutine on the cloud's loop."""
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(make(), self.loop).result(20)

    def report(self, site: str, *reports: Report) -> None:
        """Publish reports of a scripted site."""

        async def publish() -> None:
            for report in reports:
                await self.sites[site].report(report)

        self.call(publish)

    def client(self) -> RemoteCloud:
        return RemoteCloud.of_folder(self.settings.data)


def nothing_needed(plan: CampaignPlan) -> tuple[Requirement, ...]:
    """The requirements of scripted stages."""
    return ()


@contextmanager
def running_cloud(
    settings: CloudSettings,
    stages: Callable[[CloudParts], StageTable],
    *,
    sites: tuple[str, ...] = (),
    script: SiteScript | None = None,
    requirements: Callable[[CloudParts], PlanRequirements] = lambda _: nothing_needed,
    first_models: Callable[[CloudParts], None] = release_first,
    embedded_hub: bool = False,
) -> Iterator[RunningCloud]:
    """The cloud in a thread of its own, until the context ends; errors of the cloud are raised here.

    Scripted stages need nothing; with `campaign_stages` give `campaign_requirements` too. With
    `embedded_hub` it has a real broker, and no scripted sites.
    """
    cloud, up, failures = RunningCloud(settings), threading.Event(), []
    run = partial(run_cloud, requirements=requirements, first_models=first_models)
    ending: list[Callable[[], object]] = []

    def enrol(site: str) -> None:
        write_enrolment(settings, hub_authority(settings), site)

    async def whole() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        cloud.loop = loop
        ending.append(lambda: loop.call_soon_threadsafe(stop.set))
        await prepare_hub(cloud.bus)
        hub = None if embedded_hub else Hub(cloud.bus, MemoryBlobs(), MemoryFiles(), enrol_site=enrol)

        def made(parts: CloudParts) -> StageTable:
            cloud.parts = parts
            return stages(parts)

        play = asyncio.create_task(_play(cloud, sites, script))
        try:
            await run(settings, stop, stages=made, hub=hub, started=lambda _: up.set())
        finally:
            play.cancel()

    def thread() -> None:
        try:
            asyncio.run(whole())
        except Exception as error:  # noqa: BLE001  # a thread's top; raised again below
            failures.append(error)
        finally:
            up.set()

    running = threading.Thread(target=thread, name="cloud")
    running.start()
    try:
        assert up.wait(60), "the cloud did not come up"
        if failures:
            raise failures[0]
        yield cloud
    finally:
        for end in ending:
            end()
        running.join(60)
    if failures:
        raise failures[0]


async def _play(cloud: RunningCloud, names: tuple[str, ...], script: SiteScript | None) -> None:
    await eventually(lambda: cloud.parts is not None and cloud.parts.settings.folder.releases.exists(), 120)
    assert cloud.parts is not None
    director = Repository(cloud.parts.settings.folder.releases).site_trust.director
    cloud.sites = {name: ScriptedSite(name, cloud.bus, director, script or SiteScript()) for name in names}
    while True:
        for site in cloud.sites.values():
            await site.step()
        await asyncio.sleep(STEP_S)
