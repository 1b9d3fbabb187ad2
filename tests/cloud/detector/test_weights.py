"""Weights files: read back exactly, named by digests, refused when they are none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud.detector.weights import (
    EMBEDDING_LAYERS,
    DetectorWeights,
    EmbeddingBasis,
    half_exact,
    layer_of,
    read_weights,
)
from cloud.errors import WeightsRefused
from cloud.starting_detector import REFERENCE_WEIGHTS, STARTING_WEIGHTS
from tests.support.cloud.detector_weights import scaled, small_weights


@pytest.fixture(scope="module")
def weights() -> DetectorWeights:
    return small_weights()


def test_a_weights_file_reads_back_exactly(weights: DetectorWeights, tmp_path: Path) -> None:
    digest = weights.write(tmp_path / "w.safetensors")
    read = read_weights(tmp_path / "w.safetensors")
    assert read.digest == digest
    assert read.embedding_digest == weights.embedding_digest
    assert all(read.tensors[n].tobytes() == half_exact(v).tobytes() for n, v in weights.tensors.items())


def test_embeddings_depend_on_the_first_layers_unless_the_weights_have_an_embedder(
    weights: DetectorWeights,
) -> None:
    head = next(n for n in weights.tensors if n.startswith("model.23."))
    first = next(iter(weights.embedding_layers))
    assert scaled(weights, head).embedding_digest == weights.embedding_digest
    assert scaled(weights, first).embedding_digest != weights.embedding_digest
    with_embedder = replace(weights, embedder=weights.embedding_layers)
    assert scaled(with_embedder, first).embedding_digest == weights.embedding_digest


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(WeightsRefused, match="not a detector's weights file"):
        read_weights(tmp_path / "w.safetensors")


def test_the_shipped_detectors_are_small_and_of_embedding_spaces_of_their_own() -> None:
    start, reference = read_weights(STARTING_WEIGHTS), read_weights(REFERENCE_WEIGHTS)
    assert max(p.stat().st_size for p in (STARTING_WEIGHTS, REFERENCE_WEIGHTS)) <= 6_000_000
    for card in (start.card, reference.card):
        assert (card.input_width, card.input_height) == (448, 256)
    assert start.embedding_digest != reference.embedding_digest  # the reference trained all its layers


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(WeightsRefused, match=r"there is no weights file .*gone\.safetensors"):
        read_weights(tmp_path / "gone.safetensors")


def test_the_digest_is_that_of_the_file_and_changes_with_the_card(weights: DetectorWeights) -> None:
    renamed = weights.with_card(name="another")
    assert renamed.digest != weights.digest
    assert renamed.embedding_digest == weights.embedding_digest


def test_the_embedding_digest_depends_on_the_input_size_and_the_basis(weights: DetectorWeights) -> None:
    moved = replace(weights.basis, offset=weights.basis.offset + np.float32(1))
    assert weights.with_card(input_width=128).embedding_digest != weights.embedding_digest
    assert replace(weights, basis=moved).embedding_digest != weights.embedding_digest


def test_the_embedding_layers_are_the_first_seven(weights: DetectorWeights) -> None:
    assert {layer_of(name) for name in weights.embedding_layers} == set(range(EMBEDDING_LAYERS))
    assert not weights.first_layers(0)


@pytest.mark.parametrize(
    ("why", "rows", "columns", "clip_norm"),
    [
        ("no rows", 0, 256, 1.0),
        ("more rows than an embedding may have", 65, 256, 1.0),
        ("another number of channels", 8, 255, 1.0),
        ("a clip norm of zero", 8, 256, 0.0),
    ],
)
def test_a_basis_of_wrong_shape_or_clip_norm_is_refused(
    why: str, rows: int, columns: int, clip_norm: float
) -> None:
    with pytest.raises(ValueError, match="basis must"):
        EmbeddingBasis(np.zeros((rows, columns), np.float32), np.zeros(rows, np.float32), clip_norm)
