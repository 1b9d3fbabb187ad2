"""Inpainting of scenes: what is requested, which label and counterpart a place gets, when it stops."""

from collections.abc import Sequence

import numpy as np
import pytest

from synth.errors import SynthesisStopped
from synth.generation.generator import PROTOTYPE_WIDTH, InpaintedPatch, PatchRequest
from synth.generation.inpainting import Inpainter
from synth.order import PrototypeToMatch
from synth.planning.vocabulary import read_vocabulary
from tests.support.synth.fakes import COLOURS, FakeGenerator
from tests.support.synth.orders import order
from tests.support.synth.scenes import inpainted, inpainter, planned, prototype


class RecordingGenerator(FakeGenerator):
    """The fake generator; `batches` are the requests of each call."""

    def __init__(self, *, stray: bool = False, broken_every: int = 0) -> None:
        super().__init__(stray=stray, broken_every=broken_every)
        self.batches: list[list[PatchRequest]] = []

    def inpaint(self, requests: Sequence[PatchRequest]) -> list[InpaintedPatch]:
        self.batches.append(list(requests))
        return super().inpaint(requests)


def test_every_place_is_inpainted_with_the_hazard_and_empty_from_the_same_seed() -> None:
    generator = RecordingGenerator()
    (scene,) = inpainted(order(), generator)
    hazards, empties = generator.batches
    assert [request.seed for request in hazards] == [place.place.seed for place in scene.places]
    assert [request.seed for request in empties] == [request.seed for request in hazards]
    assert all(request.guided and "empty" not in request.prompt for request in hazards)
    assert all(not request.guided and "empty" in request.prompt for request in empties)


def test_a_scene_has_its_places_and_controls_in_the_order_of_the_plan() -> None:
    for scene in inpainted(order(), FakeGenerator(), count=3):
        assert [place.place for place in scene.places] == list(scene.plan.places)
        assert [control.window for control in scene.controls] == [p.window for p in scene.plan.controls]


def test_the_label_is_a_tight_box_on_the_planned_one() -> None:
    (scene,) = inpainted(order(), FakeGenerator())
    for place in scene.places:
        assert place.tight is not None
        planned_box = np.asarray(place.place.box)
        assert np.abs(np.asarray(place.tight) - planned_box).max() < 0.35 * np.ptp(planned_box[::2])


def test_a_place_without_a_visible_hazard_has_no_label() -> None:
    (scene,) = inpainted(order(), FakeGenerator(broken_every=1))
    assert [(place.label, place.tight) for place in scene.places] == [(None, None)] * len(scene.places)


def test_the_reconstruction_replaces_an_empty_patch_to_which_the_generator_added_something() -> None:
    (scene,) = inpainted(order(), FakeGenerator(stray=True))
    for place in scene.places:
        mask = place.place.mask(FakeGenerator().patch_px)
        assert place.empty.image[mask].max() > 0


def test_hazard_and_empty_patch_are_pasted_with_the_same_cover() -> None:
    (scene,) = inpainted(order(), FakeGenerator())
    hazard, empty = (scene.places[0].pasting(with_hazard=with_hazard) for with_hazard in (True, False))
    assert hazard.window == empty.window
    assert np.array_equal(hazard.cover, empty.cover)
    assert not np.array_equal(hazard.image, empty.image)


def test_without_a_prototype_one_variant_is_generated_and_the_cost_is_two_patches_per_place() -> None:
    wanted = order(best_of=4)
    generator = FakeGenerator()
    maker, scene = inpainter(wanted, generator), planned(wanted)
    maker.inpaint([scene])
    assert generator.patches_generated == maker.cost(scene[0]) == 2 * len(scene[0].places)


def test_of_several_variants_the_one_nearest_to_the_prototype_is_used() -> None:
    class OneVariantInItsColour(FakeGenerator):
        """Only the third variant of a place has the class's colour; the others are smoke."""

        def _one(self, request: PatchRequest) -> np.ndarray:
            image = super()._one(request)
            if "empty" not in request.prompt and request.seed // 2**31 != 2:
                hazard = np.abs(image.astype(int) - np.asarray(COLOURS["pothole"])).max(axis=2) < 40
                image[hazard] = COLOURS["smoke"]
            return image

    wanted = order(best_of=3, prototype=prototype("pothole"))
    generator = OneVariantInItsColour()
    maker, scene = inpainter(wanted, generator), planned(wanted)
    (done,) = maker.inpaint([scene])
    assert {place.hazard.provenance.seed // 2**31 for place in done.places} == {2}
    assert generator.patches_generated == maker.cost(scene[0]) == 4 * len(scene[0].places)


@pytest.mark.parametrize(("space", "steered"), [("a" * 64, True), ("b" * 64, False), (None, False)])
def test_a_prototype_of_another_embedding_space_with_the_same_width_does_not_steer(
    space: str | None, steered: bool
) -> None:
    class OfSpace(RecordingGenerator):
        @property
        def prototype_space(self) -> str | None:
            return space

    vector = tuple(np.linspace(-1, 1, PROTOTYPE_WIDTH).tolist())
    wanted = order(prototype=PrototypeToMatch(vector=vector, embedding_digest="a" * 64))
    generator = OfSpace()
    Inpainter(wanted, generator, read_vocabulary(), None, lambda: False).inpaint([planned(wanted)])
    hazards, empties = generator.batches
    given = [request.prototype for request in hazards]
    assert all(request.prototype is None for request in empties)
    if steered:
        assert all(one is not None and np.allclose(one, vector) for one in given)
    else:
        assert all(one is None for one in given)


def test_requests_of_several_scenes_are_batched_together() -> None:
    generator = RecordingGenerator()
    scenes = inpainted(order(), generator, count=9)
    places = sum(len(scene.places) for scene in scenes)
    assert max(len(batch) for batch in generator.batches) == generator.batch
    assert len(generator.batches) == 2 * -(-places // generator.batch)


def test_a_requested_stop_ends_the_run_before_the_first_batch() -> None:
    generator = FakeGenerator()
    wanted = order()
    with pytest.raises(SynthesisStopped, match="run it again with the same folder to continue"):
        inpainter(wanted, generator, stopped=True).inpaint([planned(wanted)])
    assert generator.patches_generated == 0


def test_empty_inpainting_gives_one_pasting_per_place_and_control() -> None:
    generator = RecordingGenerator()
    wanted = order()
    plan, background = planned(wanted)
    (pastings,) = inpainter(wanted, generator).inpaint_empty([(plan, background)])
    assert [p.window for p in pastings] == [place.window for place in (*plan.places, *plan.controls)]
    assert all("empty" in request.prompt for batch in generator.batches for request in batch)
