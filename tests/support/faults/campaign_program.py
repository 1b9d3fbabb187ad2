"""A cloud that runs one campaign and is killed at a given point: `python -m ... DATA [STAGE.MOMENT]`.

The workflow, its database, the store, the files, the child processes, the generator's stages (with a
generator of ellipses), signing and the promotion gate are the product's. Training is a computation that
follows from its inputs, and sites are scripted: what they report is given. At the point the process ends by
SIGKILL. Without a point it continues the campaign until it has ended.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from cloud.campaigns import image_stages
from cloud.campaigns.image_stages import ImageStages
from cloud.campaigns.outputs import (
    EvaluateOutput,
    FilterOutput,
    PlannedOrder,
    PlanOutput,
    RollOutOutput,
    ServiceOutput,
    ShadowOutput,
    StageOutput,
    SynthesiseOutput,
    TrainOutput,
    TrialOutput,
    VerifyOutput,
)
from cloud.campaigns.process_lock import sole_process
from cloud.campaigns.promotion_gate import HOLDOUT_VERDICT, PromotionGate
from cloud.campaigns.stage import Stage, StageResult, StageTable, StageWork
from cloud.campaigns.workflow import Campaigns
from cloud.fleet.release_register import record_release
from cloud.fleet.releases import Releases
from cloud.metrics import CloudMetrics
from cloud.module_runs import run_module
from cloud.settings import DataFolder, EvaluationSettings, SynthesisSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import Database, open_database
from cloud.store.records import CampaignPlan, CampaignStage, EvaluationRow
from cloud.store.release_store import ReleaseStore
from messaging.blobs import MemoryBlobs, digest_of
from messaging.reports import ShadowReport, ShadowTally
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.quoting import sqlite_url
from messaging.taxonomy import Light, Weather
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.signing import Repository
from tests.support.cloud.sample_reports import MODE
from tests.support.fake_detector import describe, fake_bundle
from tests.support.faults.toy_training import WEIGHTS
from tests.support.synth.orders import order
from tests.support.waiting import wait_until

CAMPAIGN = "01J00000000000000000000000"
SEED, IMAGES = 7, 4
FIRST = fake_bundle("first")
MOMENTS = ("begun", "inside", "returned", "stored")
POINTS = tuple(f"{stage}.{moment}" for stage in CampaignStage for moment in MOMENTS)
OUTPUTS: Mapping[CampaignStage, type[StageOutput]] = {
    CampaignStage.PLAN: PlanOutput,
    CampaignStage.SYNTHESISE: SynthesiseOutput,
    CampaignStage.FILTER: FilterOutput,
    CampaignStage.TRAIN: TrainOutput,
    CampaignStage.EVALUATE: EvaluateOutput,
    CampaignStage.TRIAL: TrialOutput,
    CampaignStage.SHADOW: ShadowOutput,
    CampaignStage.SERVICE: ServiceOutput,
    CampaignStage.ROLL_OUT: RollOutOutput,
    CampaignStage.VERIFY: VerifyOutput,
}
ENDS_WITHIN_S = 300.0
STEP_S = 0.2
Reached = Callable[[str], None]


def end_process() -> NoReturn:
    """SIGKILL of this process."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def kills_at(point: str | None) -> Reached:
    """Ends the process when this point is reached, and never at any other."""

    def reached(now: str) -> None:
        if now == point:
            end_process()

    return reached


class KilledStore(CampaignStore):
    """The store; after a stage is stored as finished, before the workflow knows, there is a point."""

    def __init__(self, database: Database, reached: Reached) -> None:
        super().__init__(database)
        self._reached = reached

    def end_stage(self, campaign: str, stage: CampaignStage, input_digest: str, **values: Any) -> None:
        super().end_stage(campaign, stage, input_digest, **values)
        self._reached(f"{stage}.stored")


class DrawnImages(ImageStages):
    """The generator's stages without judges, which need trained models."""

    def _judges(self, work: StageWork) -> list[str]:
        return []


@dataclass(frozen=True)
class Parts:
    """What the stages work with; `reached` is called inside each."""

    folder: DataFolder
    store: CampaignStore
    release_rows: ReleaseStore
    repository: Repository
    reached: Reached

    @property
    def releases(self) -> Releases:
        """Signs with the product's gate; what the hub would be given goes to a folder."""

        async def put(name: str, data: bytes) -> None:
            write_atomically(self.folder.root / "published" / name.replace("/", "_"), data)

        gate = PromotionGate(self.store)
        return Releases(self.repository, MemoryBlobs(), put_metadata=put, put_order=put, gate=gate)

    def record(self, manifest: ReleaseManifest, campaign: str | None) -> None:
        """Enter a release in the store."""
        description = describe(manifest.name).model_dump(mode="json")
        record_release(self.release_rows, manifest, description, campaign=campaign, signed_at=0.0)


class ToyStages:
    """The stages that are not the generator's; in the middle of each is a point."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def _inside(self, work: StageWork) -> None:
        work.pause(STEP_S)
        self._parts.reached(f"{work.stage}.inside")
        work.pause(STEP_S)

    def plan(self, work: StageWork) -> StageResult:
        """A fixed order with the seed of the campaign."""
        self._inside(work)
        planned = PlannedOrder(mode=MODE, order=order(seed=work.campaign.plan.seed, count=IMAGES))
        return StageResult(PlanOutput(orders=(planned,)), {"orders": 1})

    def train(self, work: StageWork) -> StageResult:
        """A child process computes weights from the labelled set and the seed."""
        labelled = self._parts.folder.root / work.output(FilterOutput).sets[0].folder
        checkpoint = work.folder / "checkpoint.json"

        def stopping() -> bool:
            if checkpoint.exists():
                self._parts.reached(f"{work.stage}.inside")
            return work.stopping()

        run_module(
            "tests.support.faults.toy_training",
            [str(labelled / "images"), str(work.folder), str(work.campaign.plan.seed)],
            log_path=work.folder / "training.log",
            stopping=stopping,
        )
        weights = digest_of((work.folder / WEIGHTS).read_bytes())
        digest = digest_of(fake_bundle(f"candidate-{weights[:8]}"))
        return StageResult(TrainOutput(bundle_digest=digest, weights_digest=weights), {"steps": IMAGES})

    def evaluate(self, work: StageWork) -> StageResult:
        """A file and a row for incumbent and candidate."""
        root, files = self._parts.folder.root, {}
        for digest in (digest_of(FIRST), work.output(TrainOutput).bundle_digest):
            path = work.folder / f"{digest}.json"
            write_atomically(path, json.dumps({"model": digest}).encode())
            files[digest] = path.relative_to(root).as_posix()
            row = EvaluationRow(work.campaign.id, digest, "holdout", "pothole", "night-rain", {"recall": 0.5})
            self._parts.store.put_evaluations([row])
            self._parts.reached(f"{work.stage}.inside")
        verdict = {"outcome": "pass", "candidate": work.output(TrainOutput).bundle_digest}
        return StageResult(EvaluateOutput(files=files), {"images": IMAGES, HOLDOUT_VERDICT: verdict})

    def trial(self, work: StageWork) -> StageResult:
        """Signs the candidate for trial; the point is between signature and store."""
        name = f"candidate-{work.output(TrainOutput).weights_digest[:8]}"
        manifest = asyncio.run(
            self._parts.releases.publish_trial(
                fake_bundle(name),
                describe(name),
                campaign=work.campaign.id,
                evaluation=b"{}",
                synthetic_set_digest=work.output(FilterOutput).sets[0].digest,
            )
        )
        self._parts.reached(f"{work.stage}.inside")
        self._parts.record(manifest, work.campaign.id)
        return StageResult(TrialOutput(digest=manifest.digest, version=manifest.version), {"outcome": "pass"})

    def shadow(self, work: StageWork) -> StageResult:
        """One site's report, as given."""
        self._inside(work)
        digest = work.output(TrialOutput).digest
        return StageResult(ShadowOutput(reports={"harbour": shadow_report(digest)}), {"outcome": "pass"})

    def service(self, work: StageWork) -> StageResult:
        """Signs the candidate for service; the point is between signature and store."""
        trial = work.output(TrialOutput).digest
        manifest = asyncio.run(self._parts.releases.promote(trial, campaign=work.campaign.id))
        self._parts.reached(f"{work.stage}.inside")
        self._parts.record(manifest, work.campaign.id)
        return StageResult(ServiceOutput(digest=manifest.digest), {"outcome": "pass"})

    def roll_out(self, work: StageWork) -> StageResult:
        """All sites run it."""
        self._inside(work)
        digest = work.output(ServiceOutput).digest
        return StageResult(RollOutOutput(digest=digest, rollout=f"{work.campaign.id}-service"), {"sites": 1})

    def verify(self, work: StageWork) -> StageResult:
        """The failure mode is closed."""
        self._inside(work)
        return StageResult(VerifyOutput(closed=(MODE,)), {"closed": 1})


def shadow_report(candidate: str) -> ShadowReport:
    """The counts of a shadow run that passed."""
    cell = ShadowTally(
        class_name="pothole",
        light=Light.NIGHT,
        weather=Weather.RAIN,
        supported=40,
        incumbent_detected=10,
        candidate_detected=38,
        incumbent_unsupported=1,
        candidate_unsupported=1,
    )
    return ShadowReport(
        incumbent_digest=digest_of(FIRST),
        candidate_digest=candidate,
        frames=500,
        candidate_p95_ms=10.0,
        incumbent_p95_ms=10.0,
        candidate_failures=0,
        tallies=(cell,),
        final=True,
        minute_utc=1_800_000_000 // 60 * 60,
    )


def stage_table(parts: Parts) -> StageTable:
    """The ten stages, with points before and after each."""
    toy = ToyStages(parts)
    settings = SynthesisSettings(images_per_mode=IMAGES, image_width=320, image_height=192)
    images: Any = DrawnImages(
        parts.folder.root,
        settings,
        EvaluationSettings(),
        None,  # type: ignore[arg-type]  # what plan reads, which is by script
        None,  # type: ignore[arg-type]  # backgrounds, which judges and generator are not given
        None,  # type: ignore[arg-type]  # models of the judges
        parts.store,
    )
    generated = {CampaignStage.SYNTHESISE: images.synthesise, CampaignStage.FILTER: images.filter}
    return {
        stage: Stage(_with_points(generated.get(stage) or getattr(toy, stage.value), parts.reached), kind)
        for stage, kind in OUTPUTS.items()
    }


def _with_points(
    run: Callable[[StageWork], StageResult], reached: Reached
) -> Callable[[StageWork], StageResult]:
    def killed(work: StageWork) -> StageResult:
        reached(f"{work.stage}.begun")

        def progress(fraction: float, note: str) -> None:
            work.progress(fraction, note)
            if fraction > 0:
                reached(f"{work.stage}.inside")

        def stopping() -> bool:
            if work.stage is CampaignStage.FILTER:
                reached(f"{work.stage}.inside")
            return work.stopping()

        result = run(replace(work, progress=progress, stopping=stopping))
        reached(f"{work.stage}.returned")
        return result

    return killed


def main(data: Path, point: str | None) -> None:
    """Run the campaign of this folder to its end, or to the point."""
    image_stages.SYNTHESIS_MODULE = "tests.support.cloud.fake_synth"
    folder, reached = DataFolder(data), kills_at(point)
    database = open_database(sqlite_url(folder.store))
    store, rows = KilledStore(database, reached), ReleaseStore(database)
    parts = Parts(folder, store, rows, Repository(folder.releases), reached)
    if not store.recent():
        parts.record(asyncio.run(parts.releases.publish_first(FIRST, describe("first"))), None)
        plan = CampaignPlan((MODE,), IMAGES, SEED, incumbent_digest=digest_of(FIRST))
        store.create(CAMPAIGN, plan, started_by="test")
    with sole_process(folder):
        campaigns = Campaigns(store, rows, stage_table(parts), folder, CloudMetrics())
        with campaigns.launched():
            wait_until(lambda: store.get(CAMPAIGN).ended_at is not None, ENDS_WITHIN_S)
            ended = store.get(CAMPAIGN)
    if ended.state != "done":
        sys.exit(f"the campaign is {ended.state}: {ended.reason}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
