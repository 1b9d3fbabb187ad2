"""The demonstration from start to end: start everything, observe, campaign, verify, open the truth, report.

It plays the cameras (segments appear in their folders) and otherwise only does what a person could do with
the command line: enrol sites, start a campaign, watch. Ground truth is opened after the last stage.
"""

import contextlib
import datetime
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from cloud.bundle_export import export_bundle
from cloud.datasets import DataRole, DatasetRegister
from cloud.demo.fleet import PYTHON, CloudProcess, Site, SiteFiles, memory_gb
from cloud.demo.footage import camera_folder
from cloud.demo.live import LiveView, Snapshot
from cloud.demo.outcome import ask, outcome
from cloud.demo.report import write_report
from cloud.demo.result import DemoResult, Measured, figures_of
from cloud.demo.script import CAMERAS, SEGMENT_FRAMES, SITES, TINY, DemoProfile, Phase
from cloud.detector_weights import read_weights
from cloud.errors import DemoFailed
from cloud.hub import enrol_site
from cloud.remote import RemoteCloud
from cloud.settings import DataFolder
from cloud.starting_detector import REFERENCE_WEIGHTS
from cloud.starting_detector.scenes import BASE_TRAINING, TRIAL, draw_folder
from messaging.child_process import ChildProcess
from messaging.figures import write_figures
from messaging.resources import CampaignRequest, CampaignResource, SiteResource

ENDED = ("done", "failed", "cancelled", "stopped")
TICK_S = 0.5
SETTLE_S = 12.0
OBSERVE_LIMIT_S = 900.0


@dataclass
class Demo:
    """One run; `work` is emptied of earlier runs by the caller."""

    work: Path
    profile: DemoProfile
    view: LiveView
    sites: list[Site] = field(default_factory=list)
    drawing: list[ChildProcess] = field(default_factory=list)
    peak_gb: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def prepare(self) -> None:
        """Everything that needs no process: teacher, replay and holdout images, folders for the cameras."""
        self.view.say("exporting the reference detector, drawing replay and holdout images")
        for camera in CAMERAS:
            camera_folder(self.work, camera.name).mkdir(parents=True, exist_ok=True)
        self.draw(Phase.OBSERVE, 0)
        export_bundle(read_weights(REFERENCE_WEIGHTS), self.teacher)
        register = DatasetRegister(DataFolder(self.cloud_folder).datasets)
        for role, scenes, count in (
            (DataRole.REPLAY, BASE_TRAINING, self.profile.replay_images),
            (DataRole.HOLDOUT, TRIAL, self.profile.holdout_images),
        ):
            folder = draw_folder(replace(scenes, count=count), self.work / "drawn" / role)
            register.add(folder, role, f"drawn-{role}")

    @property
    def cloud_folder(self) -> Path:
        """The cloud's data folder."""
        return self.work / "cloud"

    @property
    def teacher(self) -> Path:
        """The reference detector's bundle, teacher at the sites."""
        return self.work / "reference.onnx"

    def draw(self, phase: Phase, round_number: int) -> ChildProcess:
        """Start drawing a phase in a process of its own."""
        arguments: list[str | Path] = [
            PYTHON,
            "-m",
            "cloud.demo.footage",
            "--work",
            self.work,
            "--phase",
            phase,
        ]
        arguments += ["--round", str(round_number), "--cameras", *(camera.name for camera in CAMERAS)]
        arguments += ["--tiny"] if self.profile is TINY else []
        child = ChildProcess(arguments, log=self.work / "drawing.log")
        self.drawing.append(child)
        return child

    def start_sites(self, cloud: RemoteCloud, hub_url: str) -> None:
        """Enrol both sites as a person would, and start their programs."""
        for name in SITES:
            cloud.send("PUT", f"sites/{name}", SiteResource)
            cameras = [
                {
                    "name": c.name,
                    "source": str(camera_folder(self.work, c.name)),
                    "segments": True,
                    "speed": None,
                }
                for c in CAMERAS
                if c.site == name
            ]
            enrolment = enrol_site(DataFolder(self.cloud_folder), name)
            files = SiteFiles(enrolment, hub_url, self.teacher, cameras)
            self.sites.append(Site(name, self.work / "sites" / name, files))

    def tick(self, cloud: RemoteCloud, campaign: str | None = None) -> Snapshot:
        """Look once: are all programs alive, what does the API say, how much memory is in use."""
        for site in self.sites:
            site.check()
        snapshot = self.view.refresh(cloud, campaign)
        self.peak_gb = max(self.peak_gb, memory_gb())
        time.sleep(TICK_S)
        return snapshot

    def observe(self, cloud: RemoteCloud, number: int) -> None:
        """Play a round's observation; wait until all of it was looked at and the evidence stops growing."""
        child = self.drawing[0] if number == 0 else self.draw(Phase.OBSERVE, number)
        deadline = time.monotonic() + OBSERVE_LIMIT_S
        while not self._all_seen(child, self.tick(cloud)):
            if time.monotonic() > deadline:
                raise DemoFailed(f"the cameras did not look at their footage within {OBSERVE_LIMIT_S:g} s")
        quiet_since, counted = time.monotonic(), -1
        while time.monotonic() - quiet_since < SETTLE_S:
            total = sum(mode.count + mode.recall.supported for mode in self.tick(cloud).modes)
            if total != counted:
                quiet_since, counted = time.monotonic(), total

    def _all_seen(self, child: ChildProcess, snapshot: Snapshot) -> bool:
        """Whether a phase is drawn and every camera has looked at every frame it was ever given."""
        status = child.poll()
        if status:
            raise DemoFailed(f"drawing footage failed: {child.tail(5)}")
        drawn = SEGMENT_FRAMES * len(list((self.work / "truth" / CAMERAS[0].name).glob("*.truth.json")))
        seen = {camera.camera: camera.frames for camera in snapshot.cameras}
        return status == 0 and all(seen.get(camera.name, 0) >= drawn for camera in CAMERAS)

    def run_campaign(self, cloud: RemoteCloud, number: int) -> CampaignResource:
        """Start a campaign on the most harmful modes and play what each stage needs to see."""
        request = CampaignRequest(
            top=self.profile.modes,
            count=self.profile.images_per_mode,
            seed=number + 1,
            options={"epochs": self.profile.epochs, "best_of": self.profile.best_of},
        )
        campaign = cloud.send("POST", "campaigns", CampaignResource, request, key=f"demo-round-{number}")
        self.view.say(f"campaign {campaign.id} aims at {', '.join(campaign.modes)}")
        played: set[Phase] = set()
        while True:
            snapshot = self.tick(cloud, campaign.id)
            now = snapshot.campaign or campaign
            running = next((s.stage for s in now.stages if s.state == "running"), None)
            for stage, phase in (("train", Phase.FILLER), ("shadow", Phase.SHADOW), ("verify", Phase.VERIFY)):
                if running == stage and phase not in played:
                    played.add(phase)
                    self.view.say(f"{stage}: the cameras go on ({phase} footage)")
                    self.draw(phase, number)
            if now.state in ENDED:
                return now

    def model_in_service(self, cloud: RemoteCloud) -> str:
        """The digest that the sites run. Raises `DemoFailed` when they run none."""
        digests = {site.model_digest for site in cloud.page("sites", SiteResource)} - {None}
        if len(digests) != 1:
            raise DemoFailed(
                f"the sites run {len(digests)} models where one was expected; see the nodes' logs"
            )
        return str(digests.pop())

    def stop(self) -> None:
        """End everything that was started."""
        for child in self.drawing:
            child.kill()
        for site in self.sites:
            site.stop()


@contextlib.contextmanager
def _running_cloud(demo: Demo) -> Iterator[CloudProcess]:
    profile = demo.profile
    cloud = CloudProcess(
        demo.cloud_folder,
        {
            "api": {"port": 0},
            "classes": ["fire", "smoke", "pothole", "garbage", "fallen_person"],
            "failure_modes": {"refresh_s": 2.0},
            "rollout": {"hold_s": 2.0, "share": 1.0},
            "campaign": {"shadow_deadline_s": 240.0, "verify_deadline_s": 300.0, "poll_s": 1.0},
            "synthesis": {"images_per_mode": profile.images_per_mode},
        },
    )
    try:
        cloud.wait_until_ready()
        yield cloud
    finally:
        demo.stop()
        cloud.stop()


def run_demo(out: Path, profile: DemoProfile, console: Console, *, rounds: int = 1) -> DemoResult:
    """Run the demonstration and write `report.html`, `report.json` and the figures below `out`.

    Raises:
        DemoFailed: a program ended, a phase took too long, or a campaign did not come to its end.
    """
    work = out / "work"
    with LiveView(console) as view:
        demo = Demo(work, profile, view)
        demo.prepare()
        with _running_cloud(demo) as process, RemoteCloud.of_folder(demo.cloud_folder) as cloud:
            result = _loop(demo, process, cloud, rounds)
    page = write_report(result, out)
    write_figures(
        out.parent / "figures" / f"{out.name}.json",
        figures_of(result),
        command=f"make {out.name}",
        now=datetime.datetime.now(datetime.UTC),
    )
    console.print(f"report: {page}", highlight=False)
    return result


def _loop(demo: Demo, process: CloudProcess, cloud: RemoteCloud, rounds: int) -> DemoResult:
    """Observe, run the rounds, verify, measure, open the truth."""
    demo.start_sites(cloud, _hub_url(demo.cloud_folder))
    demo.view.say("the cameras are watched; misdetections are collected")
    campaigns: list[CampaignResource] = []
    base = None
    for number in range(rounds):
        if number:
            demo.view.say(f"round {number + 1}: the cloud is restarted first")
            process.restart()
        demo.observe(cloud, number)
        base = base or demo.model_in_service(cloud)
        campaigns.append(demo.run_campaign(cloud, number))
    assert base is not None
    evidence = ask(cloud, [campaign.id for campaign in campaigns])
    demo.view.say("measuring a lean node, then opening the ground truth")
    first_frame_s, resident_mb = demo.sites[-1].measure_lean_node()
    measured = Measured(
        minutes=0.0,
        peak_memory_gb=demo.peak_gb,
        node_resident_mb=resident_mb,
        first_frame_s=first_frame_s,
        frames_lost_in_swap=None,
        rounds_ok=sum(c.state == "done" for c in campaigns) if rounds > 1 else None,
    )
    result = outcome(demo.work, evidence, measured, base)
    minutes = (time.monotonic() - demo.began) / 60
    return replace(result, measured=replace(measured, minutes=minutes))


def _hub_url(folder: Path) -> str:
    return str(json.loads((DataFolder(folder).hub / "address.json").read_text())["url"])
