"""A grown head: old outputs stay as they are to the bit, new ones begin silent, and can be trained."""

import numpy as np
import pytest

from cloud.detector.bundle_export import bundle_bytes, describe_bundle
from cloud.detector.head_growth import FIRST_THRESHOLD, grown
from cloud.detector.ultralytics.network import YoloNetwork
from cloud.detector.weights import DetectorWeights
from cloud.errors import WeightsRefused
from messaging.hazard_classes import HazardClass
from tests.support.cloud.detector_weights import small_weights

TREE = HazardClass(name="fallen_tree", severity=4, words=("a fallen tree",))
SIGN = HazardClass(name="broken_sign", severity=2, words=("a broken sign",))


@pytest.fixture(scope="module")
def before() -> DetectorWeights:
    return small_weights()


@pytest.fixture(scope="module")
def after(before: DetectorWeights) -> DetectorWeights:
    return grown(before, (*before.card.taxonomy.classes, TREE, SIGN))


def raw_scores(weights: DetectorWeights, images: "np.ndarray") -> "np.ndarray":
    """Boxes and class scores (n, 4 + classes, anchors) of the exported graph."""
    import onnxruntime

    session = onnxruntime.InferenceSession(bundle_bytes(weights), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["boxes"], {"images": images})[0])


def test_boxes_and_scores_of_old_classes_are_equal_to_the_bit(
    before: DetectorWeights, after: DetectorWeights
) -> None:
    size = before.card.input_height, before.card.input_width
    images = np.random.default_rng(0).random((2, 3, *size), np.float32)
    old, new = raw_scores(before, images), raw_scores(after, images)
    count = 4 + len(before.card.class_names)
    assert new.shape[1] == count + 2
    assert np.array_equal(old, new[:, :count])
    assert np.allclose(new[:, count:], 0.01, atol=1e-4)


def test_the_card_names_and_describes_all_classes_and_the_embedding_stays(
    before: DetectorWeights, after: DetectorWeights
) -> None:
    assert after.card.class_names == (*before.card.class_names, "fallen_tree", "broken_sign")
    assert after.card.classes[-2:] == (TREE, SIGN)
    assert after.card.thresholds == {
        **before.card.thresholds, "fallen_tree": FIRST_THRESHOLD, "broken_sign": FIRST_THRESHOLD
    }  # fmt: skip
    assert after.embedding_digest == before.embedding_digest
    assert describe_bundle(after).taxonomy.hazard("fallen_tree") == TREE


def test_a_detector_that_has_all_classes_only_gets_their_descriptions(before: DetectorWeights) -> None:
    louder = before.card.taxonomy.classes[0].model_copy(update={"severity": 1})
    same = grown(before, (louder, *before.card.taxonomy.classes[1:]))
    assert same.card.taxonomy.classes[0].severity == 1
    assert all(same.tensors[name] is value for name, value in before.tensors.items())


def test_a_head_does_not_grow_by_renaming_or_reordering(before: DetectorWeights) -> None:
    first, *others = before.card.taxonomy.classes
    for classes in ((*others, first, TREE), (TREE, *others), (TREE, first, *others)):
        with pytest.raises(WeightsRefused, match="must come first and in this order"):
            grown(before, classes)


def test_a_class_count_that_changes_other_layers_is_refused(before: DetectorWeights) -> None:
    many = [TREE.model_copy(update={"name": f"class-{n}", "words": (f"class {n}",)}) for n in range(90)]
    with pytest.raises(WeightsRefused, match="the head cannot grow from"):
        grown(before, (*before.card.taxonomy.classes, *many))


@pytest.mark.parametrize("architecture", ["yolov8n", "yolo26n"])
def test_heads_of_other_architectures_grow_too(before: DetectorWeights, architecture: str) -> None:
    count = len(before.card.class_names)
    tensors = YoloNetwork(architecture, count).tensors()
    other = DetectorWeights(tensors, before.basis, before.with_card(architecture=architecture).card)
    longer = grown(other, (*before.card.taxonomy.classes, TREE))
    changed = [name for name, value in longer.tensors.items() if value.shape != tensors[name].shape]
    assert changed
    assert all(len(longer.tensors[name]) == count + 1 for name in changed)
    assert all(np.array_equal(longer.tensors[name][: len(v)], v) for name, v in tensors.items())
