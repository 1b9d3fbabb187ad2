"""Weights files: read back exactly, named by digests, refused when they are none."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

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


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
WHOLE = small_weights().to_bytes()


def _changed(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> bytes:
    """The shipped weights with another card or other tensors."""
    header = json.loads(WHOLE[8 : 8 + int.from_bytes(WHOLE[:8], "little")])
    card, tensors = json.loads(header["__metadata__"]["card"]), dict(load(WHOLE))
    change(card, tensors)
    content: bytes = save(tensors, {"card": json.dumps(card)})
    return content


DAMAGED = {
    "emptied": (b"", "is empty (0 bytes)"),
    "zeros": (bytes(4096), "only zero bytes"),
    "pointer": (POINTER, "Git-LFS pointer"),
    "page": (b"<html></html>", "is a web page"),
    "pickle": (b"\x80\x04pickle", "not a safetensors file"),
    "zip of a checkpoint": (b"PK\x03\x04" + bytes(200), "not a safetensors file"),
    "cut": (WHOLE[:-5000], "is cut: 5000 of"),
    "cut in its header": (WHOLE[:700], "is cut: it ends inside its header"),
    "longer": (WHOLE + b"x", "1 bytes follow its last tensor"),
    "no tensors": (b"\x08\0\0\0\0\0\0\0{}      ", "it has no card"),
    "another model": (save({"unet.weight": np.ones(3, np.float32)}), "it has no card"),
    "no basis": (_changed(lambda card, tensors: tensors.pop("basis.matrix")), "it has no basis.matrix"),
    "no network": (
        _changed(lambda card, tensors: [tensors.pop(n) for n in [*tensors] if "network" in n]),
        "no network",
    ),
    "a basis of another width": (
        _changed(lambda card, tensors: tensors.update({"basis.offset": np.ones(3, np.float32)})),
        "basis must be",
    ),
    "a basis for another number of channels": (
        _changed(lambda card, tensors: tensors.update({"basis.matrix": tensors["basis.matrix"][:, :255]})),
        "its basis is for 255 channels, its layers have 128 and 128",
    ),
    "no clip norm": (_changed(lambda card, tensors: card.pop("clip_norm")), "it has no clip_norm"),
    "a clip norm that is a word": (
        _changed(lambda card, tensors: card.update(clip_norm="x")),
        "not a detector",
    ),
    "no name": (_changed(lambda card, tensors: card.pop("name")), "card: name: "),
    "a width that is a word": (
        _changed(lambda card, tensors: card.update(input_width="x")),
        "card: input_width",
    ),
    "a width of 33": (_changed(lambda card, tensors: card.update(input_width=33)), "not a multiple of 32"),
    "a threshold of 7": (
        _changed(lambda card, tensors: card["thresholds"].update(fire=7)),
        "no numbers from 0 to 1",
    ),
    "a class without threshold": (
        _changed(lambda card, tensors: card["thresholds"].pop("fire")),
        "its thresholds are for",
    ),
    "not finite": (
        _changed(lambda card, tensors: tensors.update({"basis.offset": tensors["basis.offset"] * np.nan})),
        "not finite",
    ),
    "a tensor of no layer": (
        _changed(lambda card, tensors: tensors.update({"network.x": np.ones(2, np.float32)})),
        "not a detector's weights file",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_weights_file_is_one_sentence_that_names_it(tmp_path: Path, name: str) -> None:
    content, sentence = DAMAGED[name]
    path = tmp_path / "w [x] ünï.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsRefused) as refused:
        read_weights(path)
    assert sentence in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_as_weights_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsRefused, match=f"{tmp_path} cannot be read"):
        read_weights(tmp_path)


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
        ("a clip norm of zero", 8, 256, 0.0),
    ],
)
def test_a_basis_of_wrong_shape_or_clip_norm_is_refused(
    why: str, rows: int, columns: int, clip_norm: float
) -> None:
    with pytest.raises(ValueError, match="basis must"):
        EmbeddingBasis(np.zeros((rows, columns), np.float32), np.zeros(rows, np.float32), clip_norm)
