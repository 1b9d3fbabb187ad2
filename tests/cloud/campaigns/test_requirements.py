"""What a plan lists as needed by its stages, and a start that is refused for what is missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import cv2
import pytest

from cloud.api.client import RemoteCloud
from cloud.campaigns.requirements import CampaignRequirements
from cloud.data.empty_streets import empty_streets
from cloud.data.roles import DataRole
from cloud.detector.model_files import ModelFiles
from cloud.errors import CloudError, NotNow
from cloud.network_settings import ApiSettings
from cloud.parts import CloudParts, campaign_requirements
from cloud.settings import CloudSettings, FailureModeSettings, SynthesisSettings
from cloud.starting_detector import REFERENCE_WEIGHTS, shipped
from cloud.store.records import CampaignPlan
from messaging.api.campaign_plans import CampaignPlanResource, RequirementResource
from messaging.hazard_classes import HazardClass
from messaging.resources import (
    AddedClasses,
    CampaignRequest,
    CampaignResource,
    ClassesResource,
)
from messaging.taxonomy import Light
from synth.generation.model_folder import BUNDLED_FOLDER
from synth.street import DRAWN_CONDITIONS
from tests.support.cloud.labelled_images import square_images
from tests.support.cloud.running_cloud import FIRST, RunningCloud, running_cloud
from tests.support.cloud.sample_reports import FOR_EVER, misdetection, tally
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.waiting import wait_until

MODE = "fire.night-rain.missed"


@pytest.fixture
def settings(tmp_path: Path) -> CloudSettings:
    return CloudSettings(
        data=tmp_path / "cloud",
        api=ApiSettings(port=0),
        failure_modes=FailureModeSettings(refresh_s=0.2, window_days=36500),
        retention=FOR_EVER,
    )


@pytest.fixture
def cloud(settings: CloudSettings) -> Iterator[RunningCloud]:
    with running_cloud(
        settings, lambda _: ScriptedStages(), requirements=campaign_requirements, sites=("harbour",)
    ) as up:
        wait_until(lambda: "harbour" in up.sites and up.sites["harbour"].model)
        model = up.sites["harbour"].model or ""
        up.report(
            "harbour",
            *(misdetection(class_name="fire", model_digest=model) for _ in range(12)),
            tally(model_digest=model),
        )
        wait_until(lambda: up.parts is not None and up.parts.register.modes())
        yield up


def planned(client: RemoteCloud) -> dict[str, RequirementResource]:
    plan = client.send("POST", "campaigns/plan", CampaignPlanResource, CampaignRequest(modes=(MODE,)))
    return {one.name: one for one in plan.requirements}


def give_everything(parts: CloudParts, folder: Path) -> None:
    """Replay, a holdout with the mode's hazard, and the files of the model in service."""
    for role in (DataRole.REPLAY, DataRole.HOLDOUT):
        images = square_images(folder / role, 1, seed=len(role), scene=role, condition="night-rain")
        parts.datasets.add(images, role)
    weights, bundle = folder / "weights.safetensors", folder / "model.onnx"
    weights.write_bytes(b"weights")
    bundle.write_bytes(FIRST)
    parts.models.keep(weights, bundle)


def test_a_plan_lists_what_each_stage_needs_and_how_to_get_it(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        found = planned(client)
    for role, needed in (("replay", True), ("calibration", False), ("holdout", True)):
        one = found[f"{role} data"]
        assert (one.met, one.needed) == (False, needed)
        assert f"blindspot data add FOLDER --role {role}" in one.detail
    assert not found["a model in service"].met, "a fleet runs it, but its files are not in this cloud"
    assert found["a site that reports"].detail == "harbour"
    assert found["an independent source"].met
    assert not found["holdout images of fire, night-rain"].needed


def test_a_start_is_refused_with_everything_that_is_missing(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        with pytest.raises(NotNow, match=r"train needs replay data.*evaluate needs holdout data"):
            client.send("POST", "campaigns", CampaignResource, CampaignRequest(modes=(MODE,)))
        assert client.page("campaigns", CampaignResource) == []


def test_a_campaign_starts_once_everything_is_there(cloud: RunningCloud, tmp_path: Path) -> None:
    assert cloud.parts is not None
    give_everything(cloud.parts, tmp_path)
    with cloud.client() as client:
        found = planned(client)
        assert found["holdout images of fire, night-rain"].detail == "1 images"
        assert [one.name for one in found.values() if one.needed and not one.met] == []
        started = client.send("POST", "campaigns", CampaignResource, CampaignRequest(modes=(MODE,)))
    assert started.modes == (MODE,)


def test_backgrounds_without_the_light_of_the_mode_refuse_the_start(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    assert cloud.parts is not None
    give_everything(cloud.parts, tmp_path)
    streets = list(empty_streets(len(DRAWN_CONDITIONS), None))
    by_light = {street.condition.light: street.image for street in streets}
    day = tmp_path / "day"
    day.mkdir()
    cv2.imwrite(str(day / "street.png"), by_light[Light.DAY])
    added = cloud.parts.datasets.add(day, DataRole.BACKGROUND)
    with cloud.client() as client:
        found = planned(client)["backgrounds"]
        assert (found.met, found.needed) == (False, True)
        assert "none of the 1 images was taken at night; add some with `blindspot data add" in found.detail
        cloud.parts.datasets.remove(added)
        cv2.imwrite(str(day / "night.png"), by_light[Light.NIGHT])
        cloud.parts.datasets.add(day, DataRole.BACKGROUND)
        assert planned(client)["backgrounds"].met


def test_a_generator_or_judge_that_is_gone_refuses_the_start(settings: CloudSettings, tmp_path: Path) -> None:
    generator, reference = tmp_path / "sd", tmp_path / "reference.safetensors"
    generator.symlink_to(BUNDLED_FOLDER)
    reference.symlink_to(shipped(REFERENCE_WEIGHTS) or "")
    synthesis = SynthesisSettings(generator=str(generator), reference_weights=reference)
    changed = settings.model_copy(update={"synthesis": synthesis})
    with running_cloud(
        changed, lambda _: ScriptedStages(), requirements=campaign_requirements, sites=("harbour",)
    ) as up:
        wait_until(lambda: "harbour" in up.sites and up.sites["harbour"].model)
        assert up.parts is not None
        give_everything(up.parts, tmp_path)
        model = up.sites["harbour"].model or ""
        up.report("harbour", *(misdetection(class_name="fire", model_digest=model) for _ in range(12)))
        wait_until(lambda: up.parts is not None and up.parts.register.modes())
        generator.unlink()
        reference.unlink()
        with up.client() as client, pytest.raises(NotNow) as caught:
            client.send("POST", "campaigns", CampaignResource, CampaignRequest(modes=(MODE,)))
    assert f"{generator}" in str(caught.value)
    assert f"{reference} does not exist; correct synthesis.reference_weights" in str(caught.value)


def add_class(client: RemoteCloud, name: str, *words: str) -> ClassesResource:
    added = AddedClasses(classes=(HazardClass(name=name, severity=4, words=words),))
    return client.send("POST", "classes", ClassesResource, added)


def cold_start(name: str, *conditions: str) -> CampaignRequest:
    return CampaignRequest(cold_start=name, conditions=conditions, count=3)


def test_a_cold_start_is_planned_from_words_for_a_class_without_evidence(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        found = add_class(client, "fallen_tree", "a fallen tree")
        assert found.classes[-1].name == "fallen_tree"
        assert "fallen_tree" not in found.detected
        plan = client.send(
            "POST", "campaigns/plan", CampaignPlanResource, cold_start("fallen_tree", "night-rain", "day-fog")
        )
        assert plan.modes == ("fallen_tree.night-rain.missed", "fallen_tree.day-fog.missed")
        assert [(o.class_name, o.condition, o.count) for o in plan.orders] == [
            ("fallen_tree", "night-rain", 3),
            ("fallen_tree", "day-fog", 3),
        ]
        needs = {one.name: one for one in plan.requirements}
        words = needs["words for fallen_tree"]
        assert (words.met, words.needed) == (False, True)
        assert words.detail == (
            "the bundled generator was not trained on 'a fallen tree'; set synthesis.generator to a Stable "
            "Diffusion inpainting model"
        )
        assert not needs["a model that knows fallen_tree"].needed
        with pytest.raises(NotNow, match="was not trained on 'a fallen tree'"):
            client.send("POST", "campaigns", CampaignResource, cold_start("fallen_tree"))
        usual = client.send("POST", "campaigns/plan", CampaignPlanResource, cold_start("fallen_tree"))
        assert [o.condition for o in usual.orders] == ["day-clear", "day-rain", "night-clear", "night-rain"]


def test_a_cold_start_that_makes_no_sense_is_refused_in_one_sentence(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        for request, sentence in (
            (cold_start("volcano"), "hazard class 'volcano' is unknown.*add it with `blindspot classes add`"),
            (cold_start("fire", "night-hail"), "condition 'night-hail' is not LIGHT-WEATHER"),
            (CampaignRequest(cold_start="fire", modes=(MODE,)), "name no failure modes with it"),
            (CampaignRequest(modes=(MODE,), conditions=("day-fog",)), "for a cold start only"),
        ):
            with pytest.raises(CloudError, match=sentence):
                client.send("POST", "campaigns/plan", CampaignPlanResource, request)
        with pytest.raises(CloudError, match="must be distinct, but 'fire' is there 2 times"):
            add_class(client, "fire", "a big fire")
        assert client.page("campaigns", CampaignResource) == []


def test_a_model_that_was_imported_as_a_bundle_cannot_be_retrained(settings: CloudSettings) -> None:
    models = ModelFiles(settings.folder.models)
    plan = CampaignPlan((MODE,), 10, incumbent_digest=models.keep_bundle(b"bundle"))
    unused = cast(Any, None)
    needed = CampaignRequirements(settings, unused, unused, models, unused)._incumbent(plan)
    assert (needed.met, needed.needed) == (False, True)
    assert "was imported as an ONNX file, which can serve but not be retrained" in needed.detail
    assert "\n" not in needed.detail
