"""What the filter stage says of a campaign's labelled sets."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from cloud.campaigns.image_stages import ImageStages
from cloud.campaigns.outputs import GeneratedSet, PlannedOrder, PlanOutput, SynthesiseOutput
from cloud.campaigns.stage import StageResult, StageWork
from cloud.data.datasets import DatasetRegister
from cloud.data.labelled_images import list_labelled
from cloud.detector.model_files import ModelFiles
from cloud.failure_modes.register import ModeRegister
from cloud.settings import EvaluationSettings, SynthesisSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import Campaign, CampaignPlan, CampaignStage, CampaignState, SyntheticImage
from synth.generation.generator import InpaintedPatch, PatchRequest
from synth.order import SynthesisOrder
from synth.run import Judges
from tests.support.cloud.sample_reports import MODE
from tests.support.synth.fakes import FakeDetector, FakeGenerator
from tests.support.synth.orders import order
from tests.support.synth.runs import run
from tests.support.synth.scenes import prototype


class SteeredGenerator(FakeGenerator):
    """States in the provenance of its patches that a prototype conditioned them."""

    def inpaint(self, requests: Sequence[PatchRequest]) -> list[InpaintedPatch]:
        return [
            replace(patch, provenance=replace(patch.provenance, prototype=True))
            for patch in super().inpaint(requests)
        ]


def filtered(
    data: Path, wanted: SynthesisOrder, generator: FakeGenerator, stored: list[SyntheticImage] | None = None
) -> StageResult:
    """The result of the filter stage for one order, carried out in `data`; its rows are added to `stored`."""
    run(data / "set", wanted, generator=generator, judges=Judges(detector=FakeDetector()))
    store = create_autospec(CampaignStore, instance=True)
    store.image_counts.return_value = {}
    store.put_images.side_effect = (stored if stored is not None else []).extend
    stages = ImageStages(
        data,
        SynthesisSettings(),
        EvaluationSettings(),
        create_autospec(ModeRegister, instance=True),
        create_autospec(DatasetRegister, instance=True),
        create_autospec(ModelFiles, instance=True),
        store,
    )
    plan = CampaignPlan((MODE,), wanted.count)
    return stages.filter(
        StageWork(
            Campaign("C", CampaignState.RUNNING, plan, "test", "", 1, 0, 0, None),
            CampaignStage.FILTER,
            {
                CampaignStage.PLAN: PlanOutput(orders=(PlannedOrder(mode=MODE, order=wanted),)),
                CampaignStage.SYNTHESISE: SynthesiseOutput(sets=(GeneratedSet(mode=MODE, folder="set"),)),
            },
            data / "filter",
            began_at_utc=time.time(),
            progress=lambda fraction, note: None,
            stopping=lambda: False,
        )
    )


@pytest.mark.parametrize(
    ("with_prototype", "generator", "noted"),
    [(True, FakeGenerator(), True), (True, SteeredGenerator(), False), (False, FakeGenerator(), False)],
    ids=["a prototype that did not steer", "one that did", "no prototype"],
)
def test_a_prototype_that_did_not_steer_the_generator_is_noted_and_no_failure(
    tmp_path: Path, with_prototype: bool, generator: FakeGenerator, noted: bool
) -> None:
    wanted = order(count=2, prototype=prototype("pothole") if with_prototype else None)
    result = filtered(tmp_path, wanted, generator)
    assert result.stop is None
    assert result.metrics["kept"] == 2
    (used,) = result.metrics["generators"]
    assert used == {
        "name": generator.card.name,
        "digest": generator.card.digest,
        "licence": generator.card.licence,
    }
    assert result.note.startswith(f"the generator was not steered by the prototypes of {MODE}:") is noted
    assert bool(result.note) is noted


def test_a_refused_image_is_stored_with_its_picture_and_not_trained_on(tmp_path: Path) -> None:
    stored: list[SyntheticImage] = []
    filtered(tmp_path, order(count=4), FakeGenerator(broken_every=3), stored)
    refused = [image for image in stored if not image.kept]
    assert refused
    assert all(image.thumbnail.startswith("set/refused/") for image in refused)
    assert all((tmp_path / image.thumbnail).is_file() for image in refused)
    trained_on = {file.path.parent.name for file in list_labelled(tmp_path / "set")}
    assert trained_on == {"images"}
