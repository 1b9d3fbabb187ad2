"""The demonstration from start to end: start all programs, observe, run a campaign, verify, report.

It provides the cameras' footage and otherwise only does what an operator can do: enrol sites, start a
campaign, read the API. Ground truth is read after the last stage.
"""

import contextlib
import datetime
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from cloud.api.client import RemoteCloud
from cloud.demo.budget import DemoPlan, plan_campaign
from cloud.demo.drawn.empty_patches import FalseAlarmCount
from cloud.demo.drawn.scenario import DrawnScenario, Scenario
from cloud.demo.first_seconds import measured_plan
from cloud.demo.fleet import CloudProcess, SiteFiles, SiteProcesses, memory_gb
from cloud.demo.live import DemoSnapshot, LiveView
from cloud.demo.outcome import (
    CloudState,
    outcome,
    promoted_model,
    read_cloud_state,
    rounds_in_a_row,
    stage_metric,
)
from cloud.demo.page import PageProcess
from cloud.demo.players import DrawnPlayer, OwnPlayer, Player
from cloud.demo.report import write_report
from cloud.demo.result import DemoResult, FalseAlarms, Measured, figures_of
from cloud.demo.script import DemoProfile, FootagePhase
from cloud.detector.model_files import ModelFiles
from cloud.errors import DemoFailed
from cloud.fleet.hub import enrolment_of, hub_address
from cloud.settings import DataFolder
from messaging.figures import write_figures
from messaging.nats.broker import free_port
from messaging.resources import CampaignRequest, CampaignResource, SiteResource
from synth.street import DRAWN_CLASSES

ENDED = ("done", "rejected", "failed", "cancelled")
PARTS = {
    "plan": "generate",
    "synthesise": "generate",
    "filter": "generate",
    "train": "train",
    "evaluate": "evaluate",
    "trial": "evaluate",
    "shadow": "shadow",
    "service": "roll out",
    "roll_out": "roll out",
    "verify": "verify",
}
PLAYED = {
    "train": FootagePhase.FILLER,
    "shadow": FootagePhase.SHADOW,
    "roll_out": FootagePhase.SWAP,
    "verify": FootagePhase.VERIFY,
}
SMOKE_TEST_MARGINS = {
    "recall_drop": 1.0,
    "precision_drop": 1.0,
    "condition_drop": 1.0,
    "enough_tracks": 1,
    "false_alarm_ratio": 100.0,
    "latency_ratio": 100.0,
    "significance": False,
}
TINY_NOTE = "Tiny profile: a smoke test of every stage, with margins that nearly any model passes."
TICK_S = 1.0
SETTLE_S, SETTLE_LIMIT_S = 12.0, 40.0
PLAY_LIMIT_S = 120.0
OBSERVE_LIMIT_S = 900.0


@dataclass
class Demo:
    """One run in the folder `work`."""

    work: Path
    profile: DemoProfile
    view: LiveView
    scenario: Scenario
    empty_photographs: Path | None = None
    plan: DemoPlan | None = None
    counting: FalseAlarmCount | None = None
    page: PageProcess | None = None
    sites: list[SiteProcesses] = field(default_factory=list)
    peak_gb: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def player(self) -> Player:
        """The footage of the cameras."""
        return self.scenario.player

    @property
    def cloud_folder(self) -> Path:
        """The cloud's data folder."""
        return self.work / "cloud"

    def prepare(self) -> None:
        """Prepare datasets, and start the first observation."""
        self.view.begin_part("observe")
        self.scenario.prepare(DataFolder(self.cloud_folder), self.view.show_status)

    def start_sites(self, cloud: RemoteCloud) -> None:
        """Enrol the sites through the API, and start their programs."""
        folder = DataFolder(self.cloud_folder)
        hub_url = hub_address(folder)
        if hub_url is None:
            raise DemoFailed("the cloud has started without writing its hub address; see its log")
        for name in self.player.sites:
            cloud.send("PUT", f"sites/{name}", SiteResource)
            files = SiteFiles(enrolment_of(folder, name), hub_url, self.player.cameras(name))
            self.sites.append(SiteProcesses(name, self.work / "sites" / name, files))

    def tick(self, cloud: RemoteCloud, campaign: str | None = None) -> DemoSnapshot:
        """Check that all programs run, read the API, and measure memory; takes about `TICK_S`."""
        for site in self.sites:
            site.check()
        if self.page is not None:
            self.page.check()
        snapshot = self.view.refresh(cloud, campaign)
        self.peak_gb = max(self.peak_gb, memory_gb())
        time.sleep(TICK_S)
        return snapshot

    def observe(self, cloud: RemoteCloud, number: int) -> None:
        """Play a round's observation; wait until it is processed and no more evidence arrives."""
        self.view.show_status(f"round {number + 1}: observing the cameras; misdetections are collected")
        if number:
            self.player.begin(FootagePhase.OBSERVE, number)
        deadline = time.monotonic() + OBSERVE_LIMIT_S
        while not self.player.observed(self.tick(cloud).cameras):
            if time.monotonic() > deadline:
                raise DemoFailed(f"the nodes did not process their footage within {OBSERVE_LIMIT_S:g} s")
        self.scenario.complete(OBSERVE_LIMIT_S)
        self._settle(cloud)

    def _settle(self, cloud: RemoteCloud) -> None:
        """Wait until no more evidence arrives, at most `SETTLE_LIMIT_S` (endless footage adds some)."""
        quiet_since, counted = time.monotonic(), -1
        deadline = quiet_since + SETTLE_LIMIT_S
        while time.monotonic() - quiet_since < SETTLE_S and time.monotonic() < deadline:
            total = sum(mode.count + mode.recall.supported for mode in self.tick(cloud).modes)
            if total != counted:
                quiet_since, counted = time.monotonic(), total

    def run_campaign(
        self, cloud: RemoteCloud, number: int, *, count_against: str | None = None
    ) -> CampaignResource:
        """Start a campaign for the most harmful modes and play the footage that each stage needs.

        With `count_against`, false alarms of the promoted model and of that one are counted meanwhile.
        """
        if self.plan is not None:
            self._plan_campaign(self.plan)
        request = CampaignRequest(
            modes=self.scenario.campaign_modes(self.tick(cloud).modes),
            top=self.profile.modes,
            count=self.profile.images_per_mode,
            seed=number + 1,
            options={"epochs": self.profile.epochs, "best_of": self.profile.best_of},
        )
        campaign = cloud.send("POST", "campaigns", CampaignResource, request, key=f"demo-round-{number}")
        self.view.show_status(f"campaign {campaign.id} targets {', '.join(campaign.modes)}")
        played: set[FootagePhase] = set()
        while campaign.state not in ENDED:
            campaign = self.tick(cloud, campaign.id).campaign or campaign
            promoted = promoted_model(campaign)
            if promoted and count_against and self.counting is None:
                self.counting = self._count_alarms(count_against, promoted)
            running = {s.stage for s in campaign.stages if s.state == "running"}
            for stage in running & PARTS.keys():
                self.view.begin_part(PARTS[stage])
            for stage, phase in PLAYED.items():
                if stage in running and phase not in played:
                    played.add(phase)
                    self.view.show_status(f"{stage}: the cameras play {phase} footage")
                    self.player.begin(phase, number)
        self.view.show_status(f"campaign {campaign.id} is {campaign.state_text}")
        if FootagePhase.VERIFY in played:
            self._play_to_the_end(cloud)
        return campaign

    def _plan_campaign(self, plan: DemoPlan) -> None:
        """Reduce the campaign to what still fits, if the observation has taken longer than planned."""
        self.plan = plan_campaign(plan, self.view.elapsed_s())
        self.view.follow(self.plan)
        if self.plan.profile != self.profile:
            self.profile = self.plan.profile
            self.view.say("the observation took longer than planned, so the campaign is smaller")
            for line in self.plan.lines():
                self.view.say(line)

    def _play_to_the_end(self, cloud: RemoteCloud) -> None:
        """Play all verification footage, so that estimates and ground truth are of the same frames."""
        self.view.begin_part("rest")
        self.view.show_status("playing the rest of the verification footage")
        deadline = time.monotonic() + PLAY_LIMIT_S
        while not self.player.observed(self.tick(cloud).cameras) and time.monotonic() < deadline:
            pass
        self._settle(cloud)

    def model_in_service(self, cloud: RemoteCloud) -> str:
        """The digest of the model that all sites run. Raises `DemoFailed` unless there is exactly one."""
        digests = {site.model_digest for site in cloud.page("sites", SiteResource)} - {None}
        if len(digests) != 1:
            raise DemoFailed(f"the sites run {len(digests)} models, one was expected; see the nodes' logs")
        return str(digests.pop())

    def _count_alarms(self, base: str, promoted: str) -> FalseAlarmCount:
        """Start counting the false alarms of both models on empty inpainted patches."""
        models = ModelFiles(DataFolder(self.cloud_folder).models)
        return FalseAlarmCount(
            models.bundle(base),
            models.bundle(promoted),
            self.work / "empty-patches.json",
            images=self.profile.empty_images,
            photographs=self.empty_photographs,
        )

    def false_alarms(self, cloud: RemoteCloud) -> FalseAlarms | None:
        """Wait for the count; None when it was not started or failed."""
        if self.counting is None:
            return None
        try:
            return self.counting.result(lambda: self.tick(cloud))
        except DemoFailed as error:
            self.view.show_status(str(error))
            return None

    def stop(self) -> None:
        """Stop everything that was started: drawing and counting first, then the sites and the page."""
        self.scenario.stop()
        if self.counting is not None:
            self.counting.stop()
        for site in self.sites:
            site.stop()
        if self.page is not None:
            self.page.stop()


def run_demo(
    out: Path,
    profile: DemoProfile,
    console: Console,
    *,
    rounds: int = 1,
    own: OwnPlayer | None = None,
    empty_photographs: Path | None = None,
    minutes: float | None = None,
    clips: tuple[Path, ...] = (),
) -> DemoResult:
    """Run the demonstration and write `report.html`, `report.json` and the figures below `out`.

    Args:
        out: an empty folder.
        profile: how much of everything.
        console: where the live view is shown.
        rounds: campaigns in a row, the cloud restarted between them.
        own: a source of the user instead of the drawn cameras.
        empty_photographs: hazard-free images to count false alarms on, instead of drawn ones.
        minutes: the machine is measured, and as much of the profile done as fits this time; None does all.
        clips: video files for a third site, beside the drawn cameras.

    Raises:
        DemoFailed: a program ended, a phase took too long, or a model was expected and is not there.
    """
    work, began = out / "work", time.monotonic()
    plan = None if minutes is None else measured_plan(minutes, console)
    profile = profile if plan is None else plan.profile
    player: Player = own or DrawnPlayer(work, profile, clips)
    scenario = DrawnScenario(work, profile, player)
    with running(work, profile, scenario, console, empty_photographs, plan=plan, began=began) as parts:
        result = _loop(*parts, rounds)
    page = write_report(result, out)
    name, command = (f"{out.name}-tiny", "blindspot demo --tiny") if profile.smoke_test else (out.name, "")
    write_figures(
        out.parent / "figures" / f"{name}.json",
        figures_of(result),
        command=command or f"make {name}",
        now=datetime.datetime.now(datetime.UTC),
    )
    console.print(f"report: {page}", highlight=False)
    return result


@contextlib.contextmanager
def running(
    work: Path,
    profile: DemoProfile,
    scenario: Scenario,
    console: Console,
    empty_photographs: Path | None = None,
    *,
    plan: DemoPlan | None = None,
    began: float | None = None,
) -> Iterator[tuple[Demo, CloudProcess, RemoteCloud]]:
    """Prepare everything and run the cloud and the page (not the sites) until the block ends.

    `began` is when the run began (monotonic), if that was before this call.
    """
    began = time.monotonic() if began is None else began
    with LiveView(console, began) as view, contextlib.ExitStack() as ending:
        demo = Demo(work, profile, view, scenario, empty_photographs, plan, began=began)
        if plan is not None:
            view.follow(plan)
        ending.callback(scenario.stop)
        demo.prepare()
        process = CloudProcess(demo.cloud_folder, _settings(profile) | scenario.settings())
        ending.callback(process.stop)
        ending.callback(demo.stop)
        process.wait_until_ready()
        demo.page = PageProcess(demo.cloud_folder, work / "page.log", console)
        with RemoteCloud.of_folder(demo.cloud_folder) as cloud:
            yield demo, process, cloud


def _settings(profile: DemoProfile) -> dict[str, Any]:
    """The configuration of a demo's cloud; a scenario may replace sections."""
    return {
        "api": {"port": free_port()},
        "page": False,  # the demo starts one itself, which answers while the cloud restarts
        "classes": list(DRAWN_CLASSES),
        "failure_modes": {"refresh_s": 2.0, "targets": dict(profile.targets)},
        "rollout": {"canary_sites": 2, "hold_s": 2.0, "early_fraction": 1.0},
        "campaign": {
            "shadow_deadline_s": profile.shadow_s,
            "verify_deadline_s": profile.verify_s,
            "poll_s": 1.0,
        },
        "promotion": SMOKE_TEST_MARGINS if profile.smoke_test else {},
        "synthesis": {"images_per_mode": profile.images_per_mode},
    }


def run_rounds(
    demo: Demo, process: CloudProcess, cloud: RemoteCloud, rounds: int, *, count_alarms: bool = False
) -> tuple[str, CloudState]:
    """Start the sites and run the rounds; returns the digest first in service, and the cloud's last state.

    With `count_alarms`, false alarms of the last round's model and of the first one are counted.
    """
    demo.start_sites(cloud)
    campaigns: list[str] = []
    base = ""
    for number in range(rounds):
        if number:
            demo.view.show_status(f"round {number + 1}: restarting the cloud")
            process.restart()
        demo.observe(cloud, number)
        base = base or demo.model_in_service(cloud)
        against = base if count_alarms and number == rounds - 1 else None
        campaigns.append(demo.run_campaign(cloud, number, count_against=against).id)
    return base, read_cloud_state(cloud, campaigns)


def _loop(demo: Demo, process: CloudProcess, cloud: RemoteCloud, rounds: int) -> DemoResult:
    """Run the rounds, measure, and compile the result."""
    base, evidence = run_rounds(demo, process, cloud, rounds, count_alarms=True)
    campaigns = evidence.campaigns
    alarms = demo.false_alarms(cloud)
    demo.view.show_status("measuring a node by itself, then reading the ground truth")
    first_frame_s, resident_mb = demo.sites[-1].measure_lean_node()
    measured = Measured(
        minutes=0.0,
        peak_memory_gb=demo.peak_gb,
        node_resident_mb=resident_mb,
        first_frame_s=first_frame_s,
        frames_lost_in_swap=stage_metric(campaigns[-1], "roll_out", "frames_lost"),
        rounds_ok=rounds_in_a_row(campaigns) if rounds > 1 else None,
        false_alarms=alarms,
    )
    result = outcome(demo.work, evidence, measured, base, demo.player)
    notes = [
        *result.notes,
        *([alarms.note] if alarms else []),
        *([TINY_NOTE] if demo.profile.smoke_test else []),
    ]
    minutes = (time.monotonic() - demo.began) / 60
    measured = replace(measured, minutes=minutes, peak_memory_gb=demo.peak_gb)
    result = replace(result, notes=tuple(notes), measured=measured)
    plan = demo.plan
    if plan is None:
        return result
    return replace(result, longest_minutes=plan.minutes, not_expected=plan.not_expected())
