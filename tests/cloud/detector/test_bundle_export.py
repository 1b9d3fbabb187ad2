"""What the edge runs is what the cloud trained: names, shapes and numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cloud.detector.bundle_export import bundle_bytes, describe_bundle
from cloud.detector.embedding_basis import fit_basis, project, retrieval_accuracy
from cloud.detector.ultralytics_yolo import EmbeddingDetector, network_of, stacked
from cloud.detector.weights import FEATURE_STRIDE, DetectorWeights, half_exact, read_weights
from cloud.errors import WeightsRefused
from cloud.starting_detector import REFERENCE_WEIGHTS, STARTING_WEIGHTS
from edge.vision.detector import letterbox, roi_align
from edge.vision.onnx_detector import OnnxDetector
from synth.street import DRAWN_CLASSES


@pytest.fixture(scope="module")
def weights() -> DetectorWeights:
    return read_weights(STARTING_WEIGHTS).with_card(input_width=96, input_height=64)


@pytest.fixture(scope="module")
def detector(weights: DetectorWeights) -> OnnxDetector:
    return OnnxDetector(bundle_bytes(weights))


def test_the_bundle_says_what_its_weights_say(weights: DetectorWeights, detector: OnnxDetector) -> None:
    assert detector.description == describe_bundle(weights)
    assert detector.description.class_names == DRAWN_CLASSES


def test_onnx_and_torch_agree_on_boxes_and_embeddings(
    weights: DetectorWeights, detector: OnnxDetector
) -> None:
    image = np.random.default_rng(0).integers(0, 255, (60, 96, 3), dtype=np.uint8)
    blob, fit = letterbox(image, 96, 64)
    network = network_of(weights)
    with torch.no_grad():
        boxes = network.module.eval()(torch.from_numpy(blob[None]))[0].numpy()
    found, features = detector._run(np.stack([blob, blob]))
    np.testing.assert_allclose(found[0], boxes[0], atol=1e-3)
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert features.shape == (2, 64, 64 // FEATURE_STRIDE, 96 // FEATURE_STRIDE)
    xyxy = np.asarray([[5, 5, 40, 50], [50, 20, 90, 55]], np.float32)
    maps = stacked(*EmbeddingDetector(weights)(torch.from_numpy(blob[None]))[1:])[0].numpy()
    expected = project(weights.basis, roi_align(maps, fit.to_input(xyxy), FEATURE_STRIDE))
    np.testing.assert_allclose(detector.embed(image, xyxy), expected, atol=1e-3)


def test_a_weights_file_reads_back_exactly(weights: DetectorWeights, tmp_path: Path) -> None:
    digest = weights.write(tmp_path / "w.safetensors")
    read = read_weights(tmp_path / "w.safetensors")
    assert read.digest == digest
    assert read.embedding_digest == weights.embedding_digest
    assert all(read.tensors[n].tobytes() == half_exact(v).tobytes() for n, v in weights.tensors.items())
    returned = network_of(read).tensors()
    assert all(returned[n].tobytes() == v.tobytes() for n, v in weights.tensors.items())


def _touched(weights: DetectorWeights, name: str) -> DetectorWeights:
    return replace(weights, tensors={**weights.tensors, name: weights.tensors[name] * np.float32(1.5)})


def test_embeddings_depend_on_the_first_layers_unless_the_weights_bring_an_embedder(
    weights: DetectorWeights,
) -> None:
    head = next(n for n in weights.tensors if n.startswith("model.23."))
    first = next(iter(weights.embedding_layers))
    assert _touched(weights, head).embedding_digest == weights.embedding_digest
    assert _touched(weights, first).embedding_digest != weights.embedding_digest
    with_embedder = replace(weights, embedder=weights.embedding_layers)
    assert _touched(with_embedder, first).embedding_digest == weights.embedding_digest


@pytest.mark.parametrize("layer", [0, 3, 5])
def test_a_retrained_layer_changes_boxes_and_no_embedding(
    weights: DetectorWeights, detector: OnnxDetector, tmp_path: Path, layer: int
) -> None:
    """Layers before the touched one are run once for both; from there on the embedder goes its own way."""
    kernel = next(n for n, v in weights.tensors.items() if n.startswith(f"model.{layer}.") and v.ndim == 4)
    retrained = _touched(replace(weights, embedder=weights.embedding_layers), kernel)
    retrained.write(tmp_path / "w.safetensors")
    read = read_weights(tmp_path / "w.safetensors")
    other = OnnxDetector(bundle_bytes(read))
    assert EmbeddingDetector(read).common == layer
    image = np.random.default_rng(0).integers(0, 255, (60, 96, 3), dtype=np.uint8)
    xyxy = np.asarray([[5, 5, 40, 50], [50, 20, 90, 55]], np.float32)
    np.testing.assert_allclose(other.embed(image, xyxy), detector.embed(image, xyxy), atol=1e-4)
    blob = letterbox(image, 96, 64)[0][None]
    assert np.abs(other._run(blob)[0] - detector._run(blob)[0]).max() > 0.01
    assert read.embedding_digest == weights.embedding_digest


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(WeightsRefused, match="not a detector's weights file"):
        read_weights(tmp_path / "w.safetensors")


def test_weights_of_another_architecture_are_refused(weights: DetectorWeights) -> None:
    with pytest.raises(WeightsRefused, match="do not fit"):
        network_of(weights.with_card(class_names=("fire",), thresholds={"fire": 0.5}))


def test_the_shipped_detectors_are_small_and_of_embedding_spaces_of_their_own() -> None:
    start, reference = read_weights(STARTING_WEIGHTS), read_weights(REFERENCE_WEIGHTS)
    assert max(p.stat().st_size for p in (STARTING_WEIGHTS, REFERENCE_WEIGHTS)) <= 6_000_000
    for card in (start.card, reference.card):
        assert (card.input_width, card.input_height) == (448, 256)
    assert start.embedding_digest != reference.embedding_digest  # the reference trained all its layers


def test_the_basis_tells_groups_apart_that_plain_axes_confuse() -> None:
    rng = np.random.default_rng(0)
    groups = [f"c{k}" for k in range(6) for _ in range(40)]
    means = np.repeat(rng.standard_normal((6, 256)), 40, axis=0)
    loud = rng.standard_normal((240, 1)) * 30 * rng.standard_normal((1, 256))
    vectors = (means + loud + rng.standard_normal((240, 256))).astype(np.float32)
    whitened = fit_basis(vectors, groups, width=8)
    plain = fit_basis(vectors, groups, width=8, whitening=0.0)
    scores = [retrieval_accuracy(b, vectors, groups, vectors, groups) for b in (whitened, plain)]
    assert scores[0] > 0.95
    assert scores[0] > scores[1]
    assert np.median(np.linalg.norm(project(whitened, vectors), axis=1)) == pytest.approx(1.0, rel=0.01)
