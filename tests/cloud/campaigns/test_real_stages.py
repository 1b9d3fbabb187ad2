"""One campaign through the real stages, tiny: drawn data, a generator of ellipses, one epoch of training."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cloud.api.client import RemoteCloud
from cloud.campaigns import image_stages
from cloud.data.roles import DataRole
from cloud.network_settings import ApiSettings
from cloud.parts import campaign_requirements, campaign_stages, starting_models
from cloud.settings import (
    CampaignSettings,
    CloudSettings,
    FailureModeSettings,
    RolloutSettings,
    SynthesisSettings,
    TrainingSettings,
)
from cloud.starting_detector.scenes import BASE_CONDITIONS, SceneSet, draw_folder
from messaging.api.evaluations import EvaluationsResource
from messaging.resources import CampaignRequest, CampaignResource, ComparisonResource, ImageResource
from synth.street import WorldName
from tests.support.cloud.running_cloud import running_cloud
from tests.support.cloud.sample_reports import FOR_EVER, MODE, misdetection, tally
from tests.support.waiting import wait_until


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_campaign_generates_trains_evaluates_and_reaches_the_edge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_stages, "SYNTHESIS_MODULE", "tests.support.cloud.fake_synth")
    settings = CloudSettings(
        data=tmp_path / "cloud",
        api=ApiSettings(port=0),
        failure_modes=FailureModeSettings(refresh_s=0.5, window_days=36500),
        retention=FOR_EVER,
        synthesis=SynthesisSettings(images_per_mode=6, image_width=320, image_height=192),
        training=TrainingSettings(epochs=1, batch=4),
        rollout=RolloutSettings(hold_s=0.0),
        campaign=CampaignSettings(shadow_deadline_s=20, verify_deadline_s=20, poll_s=0.2),
    )
    drawn = {
        DataRole.REPLAY: SceneSet(WorldName.BASE, BASE_CONDITIONS, 8, 500_000),
        DataRole.HOLDOUT: SceneSet(WorldName.HOLDOUT, BASE_CONDITIONS, 6, 500_000),
    }
    with running_cloud(
        settings,
        campaign_stages,
        requirements=campaign_requirements,
        sites=("harbour",),
        first_models=starting_models,
    ) as cloud:
        assert cloud.parts is not None
        for role, scenes in drawn.items():
            cloud.parts.datasets.add(draw_folder(scenes, tmp_path / role), role)
        wait_until(lambda: "harbour" in cloud.sites and cloud.sites["harbour"].model, timeout_s=120)
        here = cloud.sites["harbour"].model
        assert here is not None
        cloud.report(
            "harbour",
            *(misdetection(model_digest=here) for _ in range(12)),
            tally(model_digest=here),
        )
        with cloud.client() as client:
            wait_until(lambda: cloud.parts is not None and cloud.parts.register.modes())
            request = CampaignRequest(modes=(MODE,), count=6, options={"control": True})
            started = client.send("POST", "campaigns", CampaignResource, request)
            *_, last = client.watch(started.id)
            metrics = {stage.stage: stage.metrics for stage in last.stages if stage.state != "pending"}
            assert metrics["filter"]["kept"] >= 2, last.reason
            assert metrics["train"]["images"] > 8
            trained_on = metrics["train"]["trained_on"]
            assert {one["role"]: one["images"] for one in trained_on["sets"]} == {
                "replay": 8,
                "generated": metrics["filter"]["kept"],
            }
            assert [one.keys() for one in metrics["filter"]["generators"]] == [{"name", "digest", "licence"}]
            assert all(math.isfinite(loss) for loss in metrics["train"]["losses"])
            assert metrics["evaluate"]["images"] == 6
            assert metrics["trial"]["outcome"] in ("pass", "fail")
            assert last.state in ("done", "rejected")
            assert last.candidate_digest not in (None, here)
            images = client.page(f"campaigns/{started.id}/images", ImageResource, kept=True)
            assert all(image.thumbnail for image in images)
            cells = client.page(f"campaigns/{started.id}/comparison", ComparisonResource)
            assert {cell.role for cell in cells} >= {"holdout"}
            assert_control_beside(client, last, metrics, settings)


def assert_control_beside(
    client: RemoteCloud, campaign: CampaignResource, metrics: Mapping[str, Any], settings: CloudSettings
) -> None:
    """The control model took as many steps without the generated images, and is compared and not kept."""
    control, trained = metrics["train"]["control"], metrics["train"]
    assert control["images"] == trained["images"] - metrics["filter"]["kept"]
    assert control["steps"] == trained["steps"]
    compared = client.get(f"campaigns/{campaign.id}/evaluations", EvaluationsResource)
    digests = {model.kind: model.digest for model in compared.models}
    assert digests["candidate"] == campaign.candidate_digest
    assert len({digests[kind] for kind in ("control", "candidate", "incumbent")}) == 3
    holdout = [cell.scores for cell in compared.cells if cell.set == "holdout"]
    assert holdout
    assert all({"control", "candidate"} <= set(scores) for scores in holdout)
    assert not (settings.folder.models / digests["control"]).exists(), "a control model cannot be released"
