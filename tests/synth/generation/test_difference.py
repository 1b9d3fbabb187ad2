import cv2
import numpy as np
import pytest

from messaging.hazard_classes import LabelRule
from messaging.taxonomy import DEFAULT_TAXONOMY, Condition
from synth.generation.difference import DIFFERENCE_RULES, feathered, is_empty, read_label
from synth.planning.patches import inpainting_mask

MASK = inpainting_mask((16.0, 20.0, 48.0, 44.0), 64)


def street(seed: int = 0, noise: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    base = np.full((64, 64, 3), 60.0)
    base[:, 30:33] = 120
    return np.clip(base + rng.normal(0, noise, base.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("brightness", [80, 110, 250])
def test_the_box_fits_what_was_generated_within_a_pixel(brightness: int) -> None:
    hazard = street(1)
    hazard[26:40, 20:44] = brightness
    found = read_label(hazard, street(2), MASK, rule=DIFFERENCE_RULES[LabelRule.RIGID])
    assert found is not None
    assert np.abs(np.subtract(found.xyxy, (20, 26, 44, 40))).max() <= 1.0
    assert found.strength > 10


def test_two_patches_that_differ_by_noise_only_have_no_label() -> None:
    assert read_label(street(1), street(2), MASK, rule=DIFFERENCE_RULES[LabelRule.AMORPHOUS]) is None


def test_what_changes_outside_the_mask_is_not_labelled() -> None:
    hazard = street(1)
    hazard[2:10, 2:10] = 255
    assert read_label(hazard, street(1), MASK, rule=DIFFERENCE_RULES[LabelRule.RIGID]) is None


def test_a_speck_beside_the_hazard_does_not_widen_the_box() -> None:
    hazard = street(1)
    hazard[26:40, 20:36] = 200
    hazard[22, 46] = 255
    found = read_label(hazard, street(1), MASK, rule=DIFFERENCE_RULES[LabelRule.RIGID])
    assert found is not None
    assert found.xyxy[2] <= 37


def test_parts_of_a_hazard_that_do_not_touch_are_one_box() -> None:
    hazard = street(1)
    hazard[26:40, 18:28] = 200
    hazard[26:40, 34:44] = 200
    found = read_label(hazard, street(1), MASK, rule=DIFFERENCE_RULES[LabelRule.AMORPHOUS])
    assert found is not None
    assert found.xyxy[0] <= 19
    assert found.xyxy[2] >= 43


def test_the_glow_of_a_fire_is_not_part_of_its_box() -> None:
    hazard, glow = street(1).astype(np.float32), np.zeros((64, 64), np.float32)
    cv2.circle(glow, (32, 32), 14, 40.0, -1)
    hazard = np.clip(hazard + glow[..., None], 0, 255).astype(np.uint8)
    hazard[26:38, 28:36] = 240
    found = read_label(hazard, street(1), MASK, rule=DIFFERENCE_RULES[DEFAULT_TAXONOMY.hazard("fire").label])
    assert found is not None
    assert np.abs(np.subtract(found.xyxy, (28, 26, 36, 38))).max() <= 1.5


def test_every_class_has_the_rule_of_its_nature() -> None:
    labels = {kind.name: kind.label for kind in DEFAULT_TAXONOMY.classes}
    assert labels["fire"] is LabelRule.LUMINOUS
    assert labels["smoke"] is labels["flood"] is LabelRule.AMORPHOUS
    assert labels["pothole"] is labels["fallen_person"] is LabelRule.RIGID
    assert set(DIFFERENCE_RULES) == set(LabelRule)


def test_the_cover_is_soft_full_on_the_hazard_and_nothing_at_the_border_of_the_mask() -> None:
    shape = np.zeros((64, 64), np.bool_)
    shape[28:36, 24:40] = True
    cover = feathered(shape, MASK)
    assert cover[shape].min() > 0.95
    assert cover[~MASK].max() < 0.35
    assert 0.05 < cover[26, 32] < 1.01
    assert np.abs(np.diff(cover, axis=1)).max() < 0.5


@pytest.mark.parametrize(("side", "empty"), [(0, True), (4, True), (20, False)])
def test_an_empty_patch_with_something_in_it_is_not_empty(side: int, empty: bool) -> None:
    inpainted = street(1)
    inpainted[24 : 24 + side, 20 : 20 + side] = 5
    assert is_empty(inpainted, street(2), MASK) is empty


@pytest.mark.slow
@pytest.mark.parametrize("key", ["day-clear", "night-rain"])
def test_boxes_read_off_drawn_pairs_match_their_drawn_boxes(key: str) -> None:
    from edge.vision.detections import iou_matrix
    from synth.planning.patches import patch_window
    from synth.street import WorldName, draw_pair

    overlaps = []
    for seed in range(16):
        with_hazard, without = draw_pair(
            world=WorldName.BACKGROUND, seed=seed, condition=Condition.parse(key), hazards=1, sensor=False
        )
        for box in with_hazard.boxes:
            window = patch_window(box.xyxy, 640, 360, per_box=2.0)
            a, b = (
                cv2.resize(window.cut(f.image), (64, 64), interpolation=cv2.INTER_AREA)
                for f in (with_hazard, without)
            )
            truth = window.to_patch(box.xyxy, 64)
            rule = DIFFERENCE_RULES[DEFAULT_TAXONOMY.hazard(box.class_name).label]
            found = read_label(a, b, inpainting_mask(truth, 64), rule=rule)
            boxes = np.asarray([found.xyxy if found else (0, 0, 1, 1), truth], np.float32)
            overlaps.append(float(iou_matrix(boxes[:1], boxes[1:])[0, 0]))
    assert len(overlaps) >= 10
    assert np.median(overlaps) > 0.7
