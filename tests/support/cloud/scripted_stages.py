"""Scripted stages, campaigns that run them, and a program that runs one campaign, which tests kill.

`python -m tests.support.cloud.scripted_stages DATA` starts a campaign, or continues the one that exists,
and exits when it has ended. Each stage appends its name to `DATA/steps.txt`. `synthesise` and `train` work in
a child process that writes its id to `DATA/child.pid`.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.campaigns.outputs import StageOutput
from cloud.campaigns.process_lock import sole_process
from cloud.campaigns.stage import Stage, StageResult, StageWork
from cloud.campaigns.workflow import Campaigns
from cloud.metrics import CloudMetrics
from cloud.module_runs import run_module
from cloud.settings import DataFolder
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database
from cloud.store.records import Campaign, CampaignPlan, CampaignStage, CampaignState, Release, SyntheticImage
from cloud.store.release_store import ReleaseStore
from messaging.runtime.quoting import sqlite_url
from tests.support.cloud.sample_reports import MODE
from tests.support.waiting import wait_until

PLAN = CampaignPlan((MODE,), 3, 7)
OTHER_PLAN = CampaignPlan(("pothole.day-rain.missed",), 3, 7)
Script = Callable[[StageWork], StageResult]


class ScriptedOutput(StageOutput):
    """The output of a scripted stage."""

    note: str


def quick(work: StageWork) -> StageResult:
    """A stage that ends at once; its output follows from its inputs."""
    work.progress(0.5, "half way")
    work.check()
    note = f"{work.stage}:{len(work.inputs)}"
    return StageResult(ScriptedOutput(note=note), {"n": len(work.inputs)})


def slow(work: StageWork) -> StageResult:
    """A stage that takes 30 s unless it is stopped."""
    work.pause(30.0)
    return quick(work)


class ScriptedStages(dict[CampaignStage, Stage]):
    """A stage table: every stage is `quick` unless a script, or a whole `Stage`, is given for it.

    `seen` lists the stages in the order in which they ran.
    """

    def __init__(self, **scripts: Script | Stage) -> None:
        self.seen: list[str] = []
        for stage in CampaignStage:
            script = scripts.get(str(stage), quick)
            given = script if isinstance(script, Stage) else Stage(script, ScriptedOutput)
            self[stage] = Stage(self._listed(given.run), given.output)

    def _listed(self, script: Script) -> Script:
        def run(work: StageWork) -> StageResult:
            self.seen.append(str(work.stage))
            return script(work)

        return run


class CampaignRunner:
    """The campaigns of one data folder, and what a test reads of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = DataFolder(folder)
        database = open_database(sqlite_url(self.folder.store))
        self.store, self.releases = CampaignStore(database), ReleaseStore(database)
        self.begun: list[str] = []
        self.ended: list[CampaignState] = []

    @contextmanager
    def launched(self, stages: ScriptedStages) -> Iterator[Campaigns]:
        """Run campaigns with these stages while the context lasts."""
        campaigns = Campaigns(
            self.store,
            self.releases,
            stages,
            self.folder,
            CloudMetrics(),
            on_begin=lambda campaign: self.begun.append(campaign.id),
            on_end=lambda campaign: self.ended.append(campaign.state),
        )
        with sole_process(self.folder), campaigns.launched():
            yield campaigns

    def wait(self, campaign: str, until: Callable[[Campaign], bool], timeout_s: float = 60.0) -> Campaign:
        """The campaign once the condition holds for it."""
        wait_until(lambda: until(self.store.get(campaign)), timeout_s)
        return self.store.get(campaign)

    def put_into_service(self, digest: str, version: int) -> None:
        """A release for service of no campaign."""
        self.releases.put_release(Release(digest, "service", "model", version, 1, None, None, {}, 0))

    def wait_until_ended(self, campaign: str) -> Campaign:
        return self.wait(campaign, lambda found: found.ended_at is not None)

    def wait_for_stage(self, campaign: str, stage: str) -> None:
        def begun(_: Campaign) -> bool:
            return any(s.stage == stage and s.state == "running" for s in self.store.stages(campaign))

        self.wait(campaign, begun)


def main(data: Path) -> None:
    folder = DataFolder(data)
    database = open_database(sqlite_url(folder.store))
    store = CampaignStore(database)

    def heavy(work: StageWork) -> StageResult:
        run_module(
            "tests.support.cloud.slow_work",
            [str(data), "1.2"],
            log_path=data / "work.log",
            stopping=work.stopping,
        )
        names = [f"{work.stage}-{i}" for i in range(3)]
        store.put_images([SyntheticImage(work.campaign.id, name, MODE, True) for name in names])
        return quick(work)

    def noted(script: Script) -> Script:
        def run(work: StageWork) -> StageResult:
            with (data / "steps.txt").open("a") as file:
                file.write(f"{work.stage}\n")
            return script(work)

        return run

    names = ("plan", "filter", "evaluate", "trial", "shadow", "service", "roll_out", "verify")
    scripts = {name: noted(quick) for name in names} | {n: noted(heavy) for n in ("synthesise", "train")}
    with sole_process(folder):
        campaigns = Campaigns(
            store, ReleaseStore(database), ScriptedStages(**scripts), folder, CloudMetrics()
        )
        with campaigns.launched():
            known = store.recent()
            campaign = known[0] if known else campaigns.start(PLAN, started_by="test", idempotency_key="one")
            wait_until(lambda: store.get(campaign.id).ended_at is not None, 60.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
