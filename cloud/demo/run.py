"""The demonstration from start to end: start everything, observe, campaign, verify, open the truth, report.

It plays the cameras and otherwise only does what a person could do with the command line: enrol sites,
start a campaign, watch. Ground truth is opened after the last stage.
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
from cloud.demo.drawn.painted_empty import AlarmCount
from cloud.demo.drawn.scenario import DrawnScenario, Scenario
from cloud.demo.fleet import CloudProcess, SiteFiles, SiteProcesses, memory_gb
from cloud.demo.live import DemoSnapshot, LiveView
from cloud.demo.outcome import CloudState, ask, outcome, rounds_in_a_row, served_model, stage_figure
from cloud.demo.page import PageProcess
from cloud.demo.players import DrawnPlayer, OwnPlayer, Player
from cloud.demo.report import write_report
from cloud.demo.result import DemoResult, FalseAlarms, Measured, figures_of
from cloud.demo.script import DemoProfile, FootagePhase
from cloud.detector.model_files import ModelFiles
from cloud.errors import DemoFailed
from cloud.fleet.hub import enrol_site, hub_address
from cloud.settings import DataFolder
from messaging.figures import write_figures
from messaging.nats.broker import free_port
from messaging.resources import CampaignRequest, CampaignResource, SiteResource
from synth.street import DRAWN_CLASSES

ENDED = ("done", "rejected", "failed", "cancelled")
PLAYED = {
    "train": FootagePhase.FILLER,
    "shadow": FootagePhase.SHADOW,
    "roll_out": FootagePhase.SWAP,
    "verify": FootagePhase.VERIFY,
}
PLUMBING = {
    "recall_drop": 1.0,
    "precision_drop": 1.0,
    "condition_drop": 1.0,
    "enough_tracks": 1,
    "latency_ratio": 100.0,
    "gain_required": False,
}
TINY_NOTE = (
    "Tiny profile: every wheel turned once, with margins that let nearly anything pass; heals nothing."
)
TICK_S = 1.0
SETTLE_S, SETTLE_LIMIT_S = 12.0, 40.0
WATCH_LIMIT_S = 120.0
OBSERVE_LIMIT_S = 900.0


@dataclass
class Demo:
    """One run in the folder `work`."""

    work: Path
    profile: DemoProfile
    view: LiveView
    scenario: Scenario
    empty_photographs: Path | None = None
    counting: AlarmCount | None = None
    page: PageProcess | None = None
    sites: list[SiteProcesses] = field(default_factory=list)
    peak_gb: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def player(self) -> Player:
        """What plays before the cameras."""
        return self.scenario.player

    @property
    def cloud_folder(self) -> Path:
        """The cloud's data folder."""
        return self.work / "cloud"

    @property
    def teacher(self) -> Path:
        """The reference detector's bundle, teacher at the sites."""
        return self.work / "reference.onnx"

    def prepare(self) -> None:
        """What is learned from and judged by, the teacher's bundle, and the first observation's beginning."""
        self.scenario.prepare(DataFolder(self.cloud_folder), self.teacher, self.view.say)

    def start_sites(self, cloud: RemoteCloud) -> None:
        """Enrol the sites as a person would, and start their programs."""
        folder = DataFolder(self.cloud_folder)
        hub_url = hub_address(folder)
        if hub_url is None:
            raise DemoFailed("the cloud is up and has not written its hub address; see its log")
        for name in self.player.sites:
            cloud.send("PUT", f"sites/{name}", SiteResource)
            enrolment = enrol_site(folder, name)
            files = SiteFiles(enrolment, hub_url, self.teacher, self.player.cameras(name))
            self.sites.append(SiteProcesses(name, self.work / "sites" / name, files))

    def tick(self, cloud: RemoteCloud, campaign: str | None = None) -> DemoSnapshot:
        """Look once: are all programs alive, what does the API say, how much memory is in use."""
        for site in self.sites:
            site.check()
        if self.page is not None:
            self.page.look()
        snapshot = self.view.refresh(cloud, campaign)
        self.peak_gb = max(self.peak_gb, memory_gb())
        time.sleep(TICK_S)
        return snapshot

    def observe(self, cloud: RemoteCloud, number: int) -> None:
        """Play a round's observation; wait until all of it was looked at and the evidence stops growing."""
        self.view.say(f"round {number + 1}: the cameras are watched; misdetections are collected")
        if number:
            self.player.begin(FootagePhase.OBSERVE, number)
        deadline = time.monotonic() + OBSERVE_LIMIT_S
        while not self.player.observed(self.tick(cloud).cameras):
            if time.monotonic() > deadline:
                raise DemoFailed(f"the cameras did not look at their footage within {OBSERVE_LIMIT_S:g} s")
        self.scenario.complete(OBSERVE_LIMIT_S)
        self._settle(cloud)

    def _settle(self, cloud: RemoteCloud) -> None:
        """Wait until evidence has stopped growing; footage without end never does."""
        quiet_since, counted = time.monotonic(), -1
        deadline = quiet_since + SETTLE_LIMIT_S
        while time.monotonic() - quiet_since < SETTLE_S and time.monotonic() < deadline:
            total = sum(mode.count + mode.recall.supported for mode in self.tick(cloud).modes)
            if total != counted:
                quiet_since, counted = time.monotonic(), total

    def run_campaign(
        self, cloud: RemoteCloud, number: int, *, count_against: str | None = None
    ) -> CampaignResource:
        """Start a campaign on the most harmful modes and play what each stage needs to see.

        The model that it puts in service is counted for false alarms against `count_against`, meanwhile.
        """
        request = CampaignRequest(
            modes=self.scenario.aims(self.tick(cloud).modes),
            top=self.profile.modes,
            count=self.profile.images_per_mode,
            seed=number + 1,
            options={"epochs": self.profile.epochs, "best_of": self.profile.best_of},
        )
        campaign = cloud.send("POST", "campaigns", CampaignResource, request, key=f"demo-round-{number}")
        self.view.say(f"campaign {campaign.id} aims at {', '.join(campaign.modes)}")
        played: set[FootagePhase] = set()
        while campaign.state not in ENDED:
            campaign = self.tick(cloud, campaign.id).campaign or campaign
            promoted = served_model(campaign)
            if promoted and count_against and self.counting is None:
                self.counting = self._count_alarms(count_against, promoted)
            running = {s.stage for s in campaign.stages if s.state == "running"}
            for stage, phase in PLAYED.items():
                if stage in running and phase not in played:
                    played.add(phase)
                    self.view.say(f"{stage}: the cameras go on ({phase} footage)")
                    self.player.begin(phase, number)
        self.view.say(f"campaign {campaign.id} is {campaign.state} {campaign.reason}".rstrip())
        if FootagePhase.VERIFY in played:
            self._watch_to_the_end(cloud)
        return campaign

    def _watch_to_the_end(self, cloud: RemoteCloud) -> None:
        """What closed early goes on being counted: estimates are of all the footage, as the truth is."""
        self.view.say("the cameras look at the rest of it")
        deadline = time.monotonic() + WATCH_LIMIT_S
        while not self.player.observed(self.tick(cloud).cameras) and time.monotonic() < deadline:
            pass
        self._settle(cloud)

    def model_in_service(self, cloud: RemoteCloud) -> str:
        """The digest that the sites run. Raises `DemoFailed` when they run none."""
        digests = {site.model_digest for site in cloud.page("sites", SiteResource)} - {None}
        if len(digests) != 1:
            raise DemoFailed(f"the sites run {len(digests)} models, one was expected; see the nodes' logs")
        return str(digests.pop())

    def _count_alarms(self, base: str, promoted: str) -> AlarmCount:
        """Start to count what both models take for hazards on patches painted empty."""
        models = ModelFiles(DataFolder(self.cloud_folder).models)
        return AlarmCount(
            models.bundle(base),
            models.bundle(promoted),
            self.work / "painted-empty.json",
            pictures=self.profile.empty_pictures,
            photographs=self.empty_photographs,
        )

    def false_alarms(self, cloud: RemoteCloud) -> FalseAlarms | None:
        """Wait for the count; None when nothing was begun, or when it failed."""
        if self.counting is None:
            return None
        try:
            return self.counting.result(lambda: self.tick(cloud))
        except DemoFailed as error:
            self.view.say(str(error))
            return None

    def stop(self) -> None:
        """End everything that was started, what draws and counts first."""
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
) -> DemoResult:
    """Run the demonstration and write `report.html`, `report.json` and the figures below `out`.

    Args:
        out: an empty folder.
        profile: how much of everything.
        console: where the live view is drawn.
        rounds: campaigns in a row, the cloud restarted between them.
        own: footage of the user's own instead of the drawn cameras.
        empty_photographs: hazard-free pictures to count false alarms on, instead of drawn ones.

    Raises:
        DemoFailed: a program ended, a phase took too long, or a model was expected and is not there.
    """
    work = out / "work"
    player: Player = own or DrawnPlayer(work, profile)
    scenario = DrawnScenario(work, profile, player)
    with running(work, profile, scenario, console, empty_photographs) as (demo, process, cloud):
        result = _loop(demo, process, cloud, rounds)
    page = write_report(result, out)
    name, command = (f"{out.name}-tiny", "blindspot demo --tiny") if profile.plumbing else (out.name, "")
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
) -> Iterator[tuple[Demo, CloudProcess, RemoteCloud]]:
    """Everything prepared, the cloud and the page up, sites not yet; all of it ends with the block."""
    with LiveView(console) as view, contextlib.ExitStack() as ending:
        demo = Demo(work, profile, view, scenario, empty_photographs)
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
    """What the cloud of a demo is told; a scenario may say otherwise."""
    return {
        "api": {"port": free_port()},
        "classes": list(DRAWN_CLASSES),
        "failure_modes": {"refresh_s": 2.0, "targets": dict(profile.targets)},
        "rollout": {"canary_sites": 2, "hold_s": 2.0, "partial_fraction": 1.0},
        "campaign": {"shadow_deadline_s": 240.0, "verify_deadline_s": profile.verify_s, "poll_s": 1.0},
        "promotion": PLUMBING if profile.plumbing else {},
        "synthesis": {"images_per_mode": profile.images_per_mode},
    }


def work_off(
    demo: Demo, process: CloudProcess, cloud: RemoteCloud, rounds: int, *, count_alarms: bool = False
) -> tuple[str, CloudState]:
    """Start the sites and run the rounds; the digest that served first, and the cloud's last words.

    With `count_alarms` the last round's model is counted against the first one while it is verified.
    """
    demo.start_sites(cloud)
    campaigns: list[str] = []
    base = ""
    for number in range(rounds):
        if number:
            demo.view.say(f"round {number + 1}: the cloud is restarted first")
            process.restart()
        demo.observe(cloud, number)
        base = base or demo.model_in_service(cloud)
        against = base if count_alarms and number == rounds - 1 else None
        campaigns.append(demo.run_campaign(cloud, number, count_against=against).id)
    return base, ask(cloud, campaigns)


def _loop(demo: Demo, process: CloudProcess, cloud: RemoteCloud, rounds: int) -> DemoResult:
    """Observe, run the rounds, verify, measure, open the truth."""
    base, evidence = work_off(demo, process, cloud, rounds, count_alarms=True)
    campaigns = evidence.campaigns
    alarms = demo.false_alarms(cloud)
    demo.view.say("measuring a lean node, then opening the ground truth")
    first_frame_s, resident_mb = demo.sites[-1].measure_lean_node()
    measured = Measured(
        minutes=0.0,
        peak_memory_gb=demo.peak_gb,
        node_resident_mb=resident_mb,
        first_frame_s=first_frame_s,
        frames_lost_in_swap=stage_figure(campaigns[-1], "roll_out", "frames_lost"),
        rounds_ok=rounds_in_a_row(campaigns) if rounds > 1 else None,
        false_alarms=alarms,
    )
    result = outcome(demo.work, evidence, measured, base, drawn=isinstance(demo.player, DrawnPlayer))
    notes = [
        *result.notes,
        *([alarms.note] if alarms else []),
        *([TINY_NOTE] if demo.profile.plumbing else []),
    ]
    minutes = (time.monotonic() - demo.began) / 60
    measured = replace(measured, minutes=minutes, peak_memory_gb=demo.peak_gb)
    return replace(result, notes=tuple(notes), measured=measured)
