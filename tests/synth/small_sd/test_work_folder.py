"""Trouble in the folders of a training: nothing of others is replaced, damage is one sentence."""

from pathlib import Path

import pytest

from messaging.errors import ConfigurationError
from synth.errors import SynthesisError
from synth.generation.stable_diffusion import BUNDLED_FOLDER
from synth.small_sd.crops import CropSet
from synth.small_sd.denoiser import DenoiserParts, DenoiserProgress
from synth.small_sd.folder import refuse_foreign_folder
from synth.small_sd.frames import read_frames
from synth.small_sd.models import PrototypeToken, Sizes, denoiser, text_encoder, tokenizer
from synth.small_sd.work_files import reading, replacing

DAMAGED = [b"", b"\0" * 512, b"PK\x03\x04cut", b"<html></html>", b"cos\nmkdir\n(VOPENED\ntR."]


@pytest.mark.parametrize("name", ["thesis.txt", "unet.zip", "photos/a.jpg", ".git"])
def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("three years of work")
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"something else than a model .*an empty folder"):
        refuse_foreign_folder(tmp_path)


def test_a_part_of_a_pipeline_without_its_index_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    with pytest.raises(ConfigurationError, match=r"something else than a model \(unet\)"):
        refuse_foreign_folder(tmp_path)


def test_a_file_is_no_folder_for_a_model(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(ConfigurationError, match="is a file"):
        refuse_foreign_folder(tmp_path / "out")


def test_a_model_an_empty_folder_and_no_folder_may_be_written(tmp_path: Path) -> None:
    for folder in (BUNDLED_FOLDER, tmp_path, tmp_path / "new"):
        refuse_foreign_folder(folder)


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_crops_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crops.npz").write_bytes(content)
    with pytest.raises(SynthesisError, match=r"crops\.npz of the work folder .*; delete it and train again"):
        CropSet.load(tmp_path / "crops.npz")
    assert not (tmp_path / "OPENED").exists()


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_state_of_the_training_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = Sizes(
        patch_px=32, unet_channels=(16, 16, 16), unet_groups=4, heads=2, text_width=16, text_layers=1
    )
    tokens = tokenizer(sizes)
    parts = DenoiserParts(denoiser(sizes), text_encoder(sizes, tokens), PrototypeToken(16))
    (tmp_path / "unet.pt").write_bytes(content)
    with pytest.raises(SynthesisError, match=r"unet\.pt of the work folder .*; delete it and train again"):
        DenoiserProgress.start(parts, tmp_path / "unet.pt", "cpu")
    assert not (tmp_path / "OPENED").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"condition": "night-rain"}'])
def test_a_damaged_description_of_a_drawn_pair_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0000001.json").write_bytes(content)
    with pytest.raises(SynthesisError, match=r"0000001\.json of the work folder"):
        list(read_frames(tmp_path))


def _write_half(path: Path) -> None:
    with replacing(path) as draft:
        draft.write_bytes(b"ne")
        raise OSError("full")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "crops.npz").write_bytes(b"old")
    with pytest.raises(OSError, match="full"):
        _write_half(tmp_path / "crops.npz")
    assert (tmp_path / "crops.npz").read_bytes() == b"old"


def test_an_error_without_a_message_is_named_by_its_kind() -> None:
    with pytest.raises(SynthesisError, match=r"x of the work folder is .*EOFError"), reading(Path("x")):
        raise EOFError
