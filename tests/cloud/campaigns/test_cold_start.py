"""A class that no camera has detected: added by words, generated, trained, rolled out; real stages, tiny."""

from pathlib import Path

import pytest

from cloud.campaigns import image_stages
from cloud.data.roles import DataRole
from cloud.network_settings import ApiSettings
from cloud.parts import campaign_requirements, campaign_stages, starting_models
from cloud.settings import (
    CampaignSettings,
    CloudSettings,
    FailureModeSettings,
    PromotionSettings,
    RolloutSettings,
    SynthesisSettings,
    TrainingSettings,
)
from cloud.starting_detector.scenes import BASE_CONDITIONS, SceneSet, draw_folder
from messaging.hazard_classes import HazardClass, HazardRule, LabelRule
from messaging.release_resources import ModelResource
from messaging.resources import (
    AddedClasses,
    CampaignRequest,
    CampaignResource,
    ClassesResource,
    ImageResource,
)
from synth.generation.model_folder import BUNDLED_FOLDER
from synth.street import WorldName
from tests.support.cloud.running_cloud import running_cloud
from tests.support.cloud.sample_reports import FOR_EVER
from tests.support.waiting import wait_until

BONFIRE = HazardClass(
    name="bonfire",
    severity=4,
    words=("flames in the street",),
    label=LabelRule.LUMINOUS,
    rule=HazardRule(persistence_s=7.0, cool_down_s=900.0),
)


def _settings(folder: Path) -> CloudSettings:
    return CloudSettings(
        data=folder,
        api=ApiSettings(port=0),
        failure_modes=FailureModeSettings(refresh_s=0.5, window_days=36500),
        retention=FOR_EVER,
        synthesis=SynthesisSettings(generator=str(BUNDLED_FOLDER), image_width=320, image_height=192),
        training=TrainingSettings(epochs=1, batch=4, streets=2),
        promotion=PromotionSettings(new_class_frames=400),
        rollout=RolloutSettings(hold_s=0.0),
        campaign=CampaignSettings(shadow_deadline_s=60, verify_deadline_s=600, poll_s=0.2),
    )


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_class_without_evidence_gets_images_an_output_and_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_stages, "SYNTHESIS_MODULE", "tests.support.cloud.fake_synth")
    drawn = {
        DataRole.REPLAY: SceneSet(WorldName.BASE, BASE_CONDITIONS, 4, 500_000),
        DataRole.HOLDOUT: SceneSet(WorldName.HOLDOUT, BASE_CONDITIONS, 6, 500_000),
    }
    with running_cloud(
        _settings(tmp_path / "cloud"),
        campaign_stages,
        requirements=campaign_requirements,
        sites=("harbour",),
        first_models=starting_models,
    ) as cloud:
        parts = cloud.parts
        assert parts is not None
        for role, scenes in drawn.items():
            parts.datasets.add(draw_folder(scenes, tmp_path / role), role)
        wait_until(lambda: "harbour" in cloud.sites and cloud.sites["harbour"].model, timeout_s=200)
        here = cloud.sites["harbour"].model
        assert here is not None
        with cloud.client() as client:
            client.send("POST", "classes", ClassesResource, AddedClasses(classes=(BONFIRE,)))
            request = CampaignRequest(cold_start="bonfire", conditions=("night-clear",), count=6)
            started = client.send("POST", "campaigns", CampaignResource, request)
            *_, last = client.watch(started.id)
            assert last.state == "done", last.reason
            assert started.modes == ("bonfire.night-clear.missed",)
            images = client.page(f"campaigns/{started.id}/images", ImageResource, kept=True)
            model = client.get(f"models/{last.candidate_digest}", ModelResource)
        metrics = {stage.stage: stage.metrics for stage in last.stages}
        assert "bonfire (recall not measured" in str(metrics["trial"]["reason"])
        assert "unconfirmed tracks per frame" in str(metrics["shadow"]["reason"])
        assert metrics["verify"]["bonfire.night-clear.missed"]["status"] == "waiting"
        assert len(images) >= 2
        assert all(image.provenance["hazards"][0]["class"] == "bonfire" for image in images)
        assert cloud.sites["harbour"].model == model.digest != here
        before, description = (parts.models.detector(digest).description for digest in (here, model.digest))
        assert description.class_names == (*before.class_names, "bonfire")
        assert description.taxonomy.hazard("bonfire") == BONFIRE
        assert parts.register.mode_to_generate("bonfire.night-clear.missed").severity == 4
