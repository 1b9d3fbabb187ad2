"""Every damaged generator folder is one sentence that names the file; every odd but whole one is loaded."""

import json
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from synth.errors import GeneratorUnavailable
from synth.generation.model_folder import BUNDLED_FOLDER, inspect_folder
from synth.generation.stable_diffusion import DiffusionGenerator
from tests.support.trouble.generator_folders import (
    DAMAGED,
    INDEX,
    POINTER,
    TEXT,
    UNET,
    VAE,
    Trouble,
    cut,
    fp16_variant,
    linked_copy,
    put,
    set_keys,
)


@pytest.mark.parametrize("trouble", DAMAGED, ids=lambda trouble: trouble.name)
def test_a_damaged_folder_is_one_sentence_that_names_the_folder_and_the_fault(
    tmp_path: Path, trouble: Trouble
) -> None:
    folder = linked_copy(BUNDLED_FOLDER, tmp_path / "model")
    trouble.damage(folder)
    before = sorted(folder.rglob("*"))
    with pytest.raises(GeneratorUnavailable) as refused:
        DiffusionGenerator.from_folder(folder)
    sentence = str(refused.value)
    assert re.search(trouble.sentence, sentence), sentence
    assert str(folder) in sentence
    assert "\n" not in sentence
    assert sorted(folder.rglob("*")) == before


def _safety_checker(folder: Path) -> None:
    set_keys(
        folder, INDEX, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPImageProcessor"], requires_safety_checker=True,
    )  # fmt: skip


def _pickles_beside(folder: Path) -> None:
    for name in (UNET, TEXT):
        put(folder, name.replace(".safetensors", ".bin"), b"\x80\x04 not opened")


def _pointer_beside_variant(folder: Path) -> None:
    content = (folder / UNET).read_bytes()
    put(folder, UNET.replace(".safetensors", ".fp16.safetensors"), content)
    put(folder, UNET, POINTER)


def _byte_order_mark(folder: Path) -> None:
    put(folder, INDEX, b"\xef\xbb\xbf" + (folder / INDEX).read_bytes())


def _no_tokenizer_json(folder: Path) -> None:
    (folder / "tokenizer" / "tokenizer.json").unlink()


def _adapter_beside(folder: Path) -> None:
    put(folder, "text_encoder/adapter_config.json", '{"peft_type": "LORA"}')


def _shards(folder: Path) -> None:
    tensors = load_file(folder / VAE)
    (folder / VAE).unlink()
    names = sorted(tensors)
    first, second = names[::2], names[1::2]
    shards = [f"diffusion_pytorch_model-0000{k}-of-00002.safetensors" for k in (1, 2)]
    for shard, keys in zip(shards, (first, second), strict=True):
        save_file({key: tensors[key] for key in keys}, folder / "vae" / shard)
    weight_map = {key: shard for shard, keys in zip(shards, (first, second), strict=True) for key in keys}
    size = sum(value.nbytes for value in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    put(folder, "vae/diffusion_pytorch_model.safetensors.index.json", json.dumps(index))


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (fp16_variant, "unet is loaded from its variant fp16"),
        (_safety_checker, "lists a safety_checker, which is not loaded"),
        (_pickles_beside, ""),
        (_pointer_beside_variant, "unet is loaded from its variant fp16"),
        (_byte_order_mark, ""),
        (_no_tokenizer_json, ""),
        (_adapter_beside, ""),
        (_shards, ""),
    ],
)
def test_a_folder_that_is_odd_but_whole_gives_the_same_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Callable[[Path], None], note: str
) -> None:
    folder = linked_copy(BUNDLED_FOLDER, tmp_path / "model")
    change(folder)
    with caplog.at_level(logging.INFO):
        generator = DiffusionGenerator.from_folder(folder)
    assert note in caplog.text
    patch = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    whole = DiffusionGenerator.from_folder().reconstruct([patch])[0]
    assert np.array_equal(generator.reconstruct([patch])[0], whole)


@pytest.mark.parametrize("name", ["ünï côdé [x]", "a@b", "100% ?", "org", "-folder", "{x}", "line\nbreak"])
def test_the_path_of_a_folder_is_only_a_path_and_no_part_of_its_digest(tmp_path: Path, name: str) -> None:
    folder = linked_copy(BUNDLED_FOLDER, tmp_path / name)
    card = DiffusionGenerator.from_folder(folder).card
    assert card.name == name
    assert card.digest == inspect_folder(BUNDLED_FOLDER).digest


def test_a_relative_path_of_two_names_is_a_folder_and_no_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked_copy(BUNDLED_FOLDER, tmp_path / "org" / "model")
    monkeypatch.chdir(tmp_path)
    assert DiffusionGenerator.from_folder(Path("org/model")).card.name == "model"


def test_a_snapshot_folder_of_links_to_blobs_is_loaded(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / ("0" * 40)
    blobs.mkdir()
    for number, path in enumerate(p for p in BUNDLED_FOLDER.rglob("*") if p.is_file()):
        shutil.copyfile(path, blobs / str(number))
        link = snapshot / path.relative_to(BUNDLED_FOLDER)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
    assert DiffusionGenerator.from_folder(snapshot).card.digest == inspect_folder(BUNDLED_FOLDER).digest
    with pytest.raises(GeneratorUnavailable, match=rf"but {re.escape(str(snapshot))} does; give that folder"):
        DiffusionGenerator.from_folder(tmp_path)


def test_a_part_of_a_pipeline_is_refused_with_the_folder_above_it() -> None:
    with pytest.raises(
        GeneratorUnavailable, match=r"is one part of a pipeline; give the folder .*checkpoint$"
    ):
        DiffusionGenerator.from_folder(BUNDLED_FOLDER / "unet")


def test_every_file_that_is_loaded_is_in_the_digest(tmp_path: Path) -> None:
    digest = inspect_folder(BUNDLED_FOLDER).digest
    names = [file.name for file in inspect_folder(BUNDLED_FOLDER).files]
    assert len(names) == len(set(names)) == 16
    for number, name in enumerate(names):
        folder = linked_copy(BUNDLED_FOLDER, tmp_path / str(number))
        content = (folder / name).read_bytes()
        other = content[:-1] + bytes([content[-1] ^ 1]) if name.endswith("tensors") else content + b"\n"
        put(folder, name, other)
        assert inspect_folder(folder).digest != digest, name


def test_a_folder_of_only_the_files_in_the_digest_is_loaded_with_the_same_digest(tmp_path: Path) -> None:
    model = inspect_folder(BUNDLED_FOLDER)
    for file in model.files:
        put(tmp_path / "least", file.name, file.path.read_bytes())
    least = DiffusionGenerator.from_folder(tmp_path / "least")
    assert least.card.digest == model.digest
    assert least.prototype_space is not None


def test_other_files_of_the_folder_are_no_part_of_the_digest(tmp_path: Path) -> None:
    folder = linked_copy(BUNDLED_FOLDER, tmp_path / "model")
    put(folder, "README.md", "another card")
    put(folder, "unet/notes.txt", "x")
    _pickles_beside(folder)
    assert inspect_folder(folder).digest == inspect_folder(BUNDLED_FOLDER).digest


def test_where_half_precision_is_wanted_its_variant_is_loaded_except_of_the_vae(tmp_path: Path) -> None:
    folder = linked_copy(BUNDLED_FOLDER, tmp_path / "model")
    for name in (UNET, VAE, TEXT):
        put(folder, name.replace(".safetensors", ".fp16.safetensors"), (folder / name).read_bytes())
    whole, half = inspect_folder(folder), inspect_folder(folder, half=True)
    assert not any("fp16" in file.name for file in whole.files)
    assert [file.name for file in half.files if "fp16" in file.name] == [
        "unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder/model.fp16.safetensors",
    ]  # fmt: skip
    assert {file.staged_name for file in half.files} == {file.staged_name for file in whole.files}


def test_a_variant_is_another_digest(tmp_path: Path) -> None:
    folder = linked_copy(BUNDLED_FOLDER, tmp_path / "model")
    fp16_variant(folder)
    assert inspect_folder(folder).digest != inspect_folder(BUNDLED_FOLDER).digest


def _replaced(folder: Path) -> None:
    put(folder, "other", (folder / VAE).read_bytes())
    (folder / "other").rename(folder / VAE)


@pytest.mark.parametrize("change", [lambda f: cut(f, VAE, 100), _replaced, lambda f: (f / VAE).unlink()])
def test_a_file_that_changes_while_it_is_loaded_is_noticed(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = linked_copy(BUNDLED_FOLDER, tmp_path / "model")
    put(folder, VAE, (folder / VAE).read_bytes())
    model = inspect_folder(folder)
    with pytest.raises(GeneratorUnavailable, match=f"{VAE} changed while it was loaded"), model.staged():
        change(folder)
