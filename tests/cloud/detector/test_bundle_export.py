"""The exported bundle equals the trained network: names, shapes and numbers."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cloud.detector.bundle_export import bundle_bytes, describe_bundle
from cloud.detector.ultralytics.network import EmbeddingDetector, network_of
from cloud.detector.weights import FEATURE_STRIDE, DetectorWeights, read_weights
from cloud.errors import WeightsRefused
from edge.vision.detector import letterbox, roi_align
from edge.vision.onnx_detector import OnnxDetector
from synth.street import DRAWN_CLASSES
from tests.support.cloud.detector_weights import project, scaled, small_weights


@pytest.fixture(scope="module")
def weights() -> DetectorWeights:
    return small_weights()


@pytest.fixture(scope="module")
def detector(weights: DetectorWeights) -> OnnxDetector:
    return OnnxDetector(bundle_bytes(weights))


def test_the_bundle_has_the_description_of_its_weights(
    weights: DetectorWeights, detector: OnnxDetector
) -> None:
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
    maps = EmbeddingDetector(weights).features(blob)
    expected = project(weights.basis, roi_align(maps, fit.to_input(xyxy), FEATURE_STRIDE))
    np.testing.assert_allclose(detector.embed(image, xyxy), expected, atol=1e-3)


@pytest.mark.parametrize("layer", [0, 3, 5])
def test_a_retrained_layer_changes_boxes_and_no_embedding(
    weights: DetectorWeights, detector: OnnxDetector, tmp_path: Path, layer: int
) -> None:
    """Layers before the changed one run once for both; the later ones run for the embedder again."""
    kernel = next(n for n, v in weights.tensors.items() if n.startswith(f"model.{layer}.") and v.ndim == 4)
    retrained = scaled(replace(weights, embedder=weights.embedding_layers), kernel)
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


def test_the_export_program_ends_with_one_sentence_for_a_file_that_is_no_weights_file(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"")
    command = [
        sys.executable,
        "-m",
        "cloud.detector.bundle_export",
        str(tmp_path / "w.safetensors"),
        str(tmp_path / "m"),
    ]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"error: weights file {tmp_path / 'w.safetensors'} is empty (0 bytes); download it again"
    )
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "m").exists()


def test_weights_that_do_not_fit_their_architecture_are_one_sentence(weights: DetectorWeights) -> None:
    kernel = next(iter(weights.tensors))
    cut = replace(weights, tensors={**weights.tensors, kernel: weights.tensors[kernel][:1]})
    with pytest.raises(WeightsRefused, match=r"do not fit the architecture|cannot be exported") as refused:
        bundle_bytes(cut)
    assert "\n" not in str(refused.value)
