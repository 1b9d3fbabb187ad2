"""Selection: which twins of a scene are kept, what a refused hazard leaves, and what the rows contain."""

import cv2
import numpy as np

from edge.vision.detector import Detector
from messaging.taxonomy import Light
from synth.generation.generator import PatchRequest
from synth.generation.inpainting import InpaintedScene
from synth.generation.prototype_distance import PrototypeDistance
from synth.order import SynthesisOrder
from synth.planning.patches import Image
from synth.selection.filters import DuplicateIndex, FilterLimits, Refusal
from synth.selection.judges import ReferenceJudge
from synth.selection.selector import Selector, add_kept_hazards
from tests.support.synth.fakes import FakeDetector, FakeGenerator
from tests.support.synth.orders import order
from tests.support.synth.scenes import inpainted, prototype

FINDER = FakeDetector(sees=("pothole",))


def selector(wanted: SynthesisOrder, reference: Detector | None = None) -> Selector:
    judge = None if reference is None else ReferenceJudge(reference, wanted.class_name)
    distance = None if wanted.prototype is None else PrototypeDistance(FakeDetector(), wanted.prototype)
    return Selector(wanted, FakeGenerator().card, judge, distance, FilterLimits())


def scene_with(
    places: int, generator: FakeGenerator | None = None, wanted: SynthesisOrder | None = None
) -> InpaintedScene:
    """The first scene of the order that has so many places."""
    scenes = inpainted(wanted or order(), generator or FakeGenerator(), count=12)
    return next(scene for scene in scenes if len(scene.places) == places)


def test_each_twin_has_its_own_hazards_and_empty_patches_at_the_others() -> None:
    scene = scene_with(2)
    kept, refused = selector(order()).select(scene, DuplicateIndex())
    assert refused == []
    assert [image.row.name[-1] for image in kept] == ["a", "b"]
    for twin, image in enumerate(kept):
        (hazard,) = image.row.hazards
        assert np.allclose(hazard.planned, scene.places[twin].place.box, atol=0.01)
        assert np.allclose(image.row.empty_patches[0], scene.places[1 - twin].place.box, atol=0.01)
        assert len(FINDER.detect([image.image])[0]) == 1


def test_a_hazard_without_a_label_is_refused_and_a_twin_without_hazards_is_not_kept() -> None:
    kept, refused = selector(order()).select(scene_with(2, FakeGenerator(broken_every=1)), DuplicateIndex())
    assert kept == []
    assert [one.row.reason for one in refused] == [Refusal.NO_DIFFERENCE] * 2
    assert all(one.row.scores is None for one in refused)


def test_a_refused_hazard_is_replaced_by_its_empty_patch() -> None:
    scene = scene_with(3)
    known = DuplicateIndex()
    first, _ = selector(order()).select(scene, DuplicateIndex())
    shared = first[0].row.model_copy(update={"hazards": first[0].row.hazards[:1]})
    add_kept_hazards([shared], known)
    kept, refused = selector(order()).select(scene, known)
    assert [one.row.reason for one in refused] == [Refusal.DUPLICATE]
    assert len(kept[0].row.hazards) == len(first[0].row.hazards) - 1
    assert len(FINDER.detect([kept[0].image])[0]) == len(kept[0].row.hazards)
    assert len(kept[0].row.empty_patches) == len(first[0].row.empty_patches) + 1


def test_a_hazard_that_the_reference_does_not_confirm_is_refused_with_its_scores() -> None:
    kept, refused = selector(order(), FakeDetector(sees=())).select(scene_with(2), DuplicateIndex())
    assert kept == []
    assert {one.row.reason for one in refused} == {Refusal.NOT_CONFIRMED}
    assert [one.row.scores.reference_score for one in refused if one.row.scores] == [0.0, 0.0]


def test_kept_hazards_become_known_duplicates() -> None:
    scene, known = scene_with(2), DuplicateIndex()
    chooser = selector(order())
    assert len(chooser.select(scene, known)[0]) == 2
    again, refused = chooser.select(scene, known)
    assert again == []
    assert {one.row.reason for one in refused} == {Refusal.DUPLICATE}


def test_an_image_with_all_black_patches_is_not_kept() -> None:
    class Censored(FakeGenerator):
        """Blacks out hazards, as a safety checker does."""

        def _one(self, request: PatchRequest) -> Image:
            image = super()._one(request)
            return image if "empty" in request.prompt else np.zeros_like(image)

    by_day = order(light=Light.DAY)
    kept, refused = selector(by_day).select(scene_with(2, Censored(), by_day), DuplicateIndex())
    assert kept == []
    assert len(refused) == 2


def test_with_a_prototype_the_distances_of_hazard_and_empty_patch_are_recorded() -> None:
    wanted = order(prototype=prototype("pothole"))
    (scene,) = inpainted(wanted, FakeGenerator())
    kept, _ = selector(wanted).select(scene, DuplicateIndex())
    scores = [hazard.scores for image in kept for hazard in image.row.hazards]
    assert scores
    assert all(s.prototype_distance < s.empty_distance for s in scores)  # type: ignore[operator]  # both are set


def test_a_kept_image_is_saved_as_a_jpeg_of_its_size() -> None:
    (image, *_), _ = selector(order()).select(scene_with(2), DuplicateIndex())
    decoded = cv2.imdecode(np.frombuffer(image.jpeg(), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == image.image.shape == (image.row.height, image.row.width, 3)


def test_a_kept_image_comes_with_the_same_image_without_its_hazards() -> None:
    (image, *_), _ = selector(order()).select(scene_with(2), DuplicateIndex())
    inside = np.zeros(image.image.shape[:2], bool)
    for hazard in image.row.hazards:
        left, top, right, bottom = (round(v) for v in hazard.planned)
        inside[top:bottom, left:right] = True
    differ = np.abs(image.image.astype(int) - image.empty.astype(int)).max(axis=2)
    assert image.empty.shape == image.image.shape
    assert differ[inside].mean() > 4 * differ[~inside].mean()
