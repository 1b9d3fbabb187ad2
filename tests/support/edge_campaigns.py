"""Campaigns whose images and training are scripted, while scripted sites run what the real stages order."""

from dataclasses import dataclass
from pathlib import Path

from cloud.campaigns.outputs import EvaluateOutput, PlannedOrder, PlanOutput, TrialOutput
from cloud.campaigns.promotion_gate import HOLDOUT_VERDICT
from cloud.campaigns.stage import Stage, StageResult, StageWork
from cloud.failure_modes.rules import ModeKey
from cloud.fleet.release_register import record_release
from cloud.network_settings import ApiSettings
from cloud.parts import CloudParts, campaign_stages
from cloud.settings import CampaignSettings, CloudSettings, FailureModeSettings, RolloutSettings
from cloud.store.records import CampaignStage
from messaging.blobs import digest_of
from messaging.releases import BundleDescription
from messaging.resources import FailureModeResource
from tests.support.cloud.running_cloud import FIRST, RunningCloud
from tests.support.cloud.sample_reports import FOR_EVER, MINUTE, misdetection, tally
from tests.support.cloud.scripted_stages import Script, ScriptedStages
from tests.support.fake_detector import describe, fake_bundle
from tests.support.synth.orders import order
from tests.support.waiting import wait_until

HERE, CANDIDATE = digest_of(FIRST), fake_bundle("candidate")
SITES = ("harbour", "quay", "tunnel")


@dataclass(frozen=True)
class Candidate:
    """The model that a campaign pretends to have trained."""

    bundle: bytes
    description: BundleDescription

    @property
    def digest(self) -> str:
        """Of the bundle."""
        return digest_of(self.bundle)


FAKE = Candidate(CANDIDATE, describe("candidate"))


def real_edge_stages(
    parts: CloudParts, *, candidate: Candidate = FAKE, **scripts: Script | Stage
) -> ScriptedStages:
    """Images and training by script, some of them given; the stages that concern sites are real."""
    real = campaign_stages(parts)

    def plan(work: StageWork) -> StageResult:
        return StageResult(PlanOutput(orders=tuple(map(_planned, work.campaign.plan.modes))))

    def evaluate(work: StageWork) -> StageResult:
        digests = (str(work.campaign.plan.incumbent_digest), candidate.digest)
        verdict = {"outcome": "pass", "candidate": candidate.digest}
        files = dict.fromkeys(digests, "evaluation.json")
        return StageResult(EvaluateOutput(files=files), {HOLDOUT_VERDICT: verdict})

    def trial(work: StageWork) -> StageResult:
        description = candidate.description
        manifest = parts.publisher.publish_trial(
            candidate.bundle, description, campaign=work.campaign.id, evaluation=b"{}"
        )
        record_release(
            parts.releases,
            manifest,
            description.model_dump(mode="json"),
            campaign=work.campaign.id,
            signed_at=MINUTE,
        )
        return StageResult(TrialOutput(digest=manifest.digest, version=manifest.version), {"outcome": "pass"})

    table: dict[str, Script | Stage] = {
        "plan": Stage(plan, PlanOutput),
        "evaluate": Stage(evaluate, EvaluateOutput),
        "trial": Stage(trial, TrialOutput),
        "shadow": real[CampaignStage.SHADOW],
        "service": real[CampaignStage.SERVICE],
        "roll_out": real[CampaignStage.ROLL_OUT],
        "verify": real[CampaignStage.VERIFY],
    }
    return ScriptedStages(**{**table, **scripts})


def _planned(mode: str) -> PlannedOrder:
    key = ModeKey.parse(mode)
    condition = {"light": key.condition.light, "weather": key.condition.weather}
    return PlannedOrder(mode=mode, order=order(class_name=key.class_name, **condition))


def settings(folder: Path, **changes: object) -> CloudSettings:
    """Of a cloud that waits little for its sites."""
    values: dict[str, object] = {
        "data": folder,
        "api": ApiSettings(port=0),
        "failure_modes": FailureModeSettings(refresh_s=0.2, window_days=36500),
        "retention": FOR_EVER,
        "rollout": RolloutSettings(hold_s=0.0, phase_deadline_s=20.0),
        "campaign": CampaignSettings(shadow_deadline_s=15.0, verify_deadline_s=15.0, poll_s=0.1),
    }
    return CloudSettings.model_validate({**values, **changes})


def with_evidence(cloud: RunningCloud) -> None:
    """Wait until all `SITES` run the first model, and give each ten misdetections of `MODE`."""
    wait_until(lambda: len(cloud.sites) == 3)
    wait_until(lambda: all(site.model == HERE for site in cloud.sites.values()))
    for name in SITES:
        evidence = [misdetection(model_digest=HERE) for _ in range(10)]
        cloud.report(name, *evidence, tally(model_digest=HERE))
    with cloud.client() as client:
        wait_until(lambda: [m.count for m in client.page("failure-modes", FailureModeResource)] == [30])
