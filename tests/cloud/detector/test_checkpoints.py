"""Checkpoints of ultralytics: read without running them, and refused with the reason."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cloud.detector import checkpoints
from cloud.detector.checkpoints import read_checkpoint
from cloud.errors import WeightsRefused
from tests.support.cloud.checkpoints import NAMES, random_network, save_checkpoint


def touch(path: str) -> None:
    """Leaves a trace that it ran."""
    Path(path).touch()


class Code:
    """Pickled, it calls a function when it is opened by a loader that runs it."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("architecture", ["yolov8n", "yolo11n", "yolo12n", "yolo26n"])
def test_tensors_and_names_are_those_that_were_saved(tmp_path: Path, architecture: str) -> None:
    model = random_network(architecture)
    read = read_checkpoint(save_checkpoint(tmp_path / "best.pt", model))
    expected = {n: v for n, v in model.state_dict().items() if "num_batches_tracked" not in n}
    assert set(read.tensors) == set(expected)
    assert all(np.array_equal(read.tensors[name], value.float().numpy()) for name, value in expected.items())
    assert (read.class_names, read.input_side) == (NAMES, 320)
    assert read.description["scale"] == "n"
    assert read.licence.startswith("AGPL-3.0")


def test_the_moving_average_of_an_unfinished_training_is_preferred(tmp_path: Path) -> None:
    model, average = random_network("yolov8n"), random_network("yolov8n", seed=1)
    state = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": np.float64(0.1)}]}
    path = save_checkpoint(tmp_path / "last.pt", model, ema=average.half(), optimizer=state)
    first = "model.0.conv.weight"
    assert np.array_equal(read_checkpoint(path).tensors[first], average.state_dict()[first].float().numpy())


def test_no_class_of_ultralytics_is_made_while_a_checkpoint_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_checkpoint(tmp_path / "best.pt", random_network("yolov8n"))

    def made(*_arguments: object) -> None:
        raise AssertionError("code of the checkpoint's classes ran")

    monkeypatch.setattr("torch.nn.Module.__setstate__", made)
    monkeypatch.setattr("ultralytics.nn.tasks.BaseModel.__setstate__", made, raising=False)
    assert read_checkpoint(path).class_names == NAMES


@pytest.mark.parametrize("saved_by", ["torch", "torch, old form", "pickle"])
@pytest.mark.parametrize(
    ("function", "wanted"), [(os.mkdir, "posix.mkdir"), (eval, "eval"), (touch, f"{__name__}.touch")]
)
def test_a_pickle_with_code_is_refused_with_the_name_of_what_it_wants(
    tmp_path: Path, saved_by: str, function: Callable[..., object], wanted: str
) -> None:
    path, made = tmp_path / "best.pt", tmp_path / "RUN"
    code = Code(function, f"open({str(made)!r}, 'w')" if function is eval else str(made))
    if saved_by == "pickle":
        path.write_bytes(pickle.dumps({"model": code}, protocol=2))
    else:
        torch.save({"model": code}, path, _use_new_zipfile_serialization=saved_by == "torch")
    assert f"is refused: its pickle wants {wanted}, which no detection checkpoint" in refusal(path)
    assert not made.exists()


def test_the_pickle_of_these_tests_runs_its_code_where_it_is_opened_without_care(tmp_path: Path) -> None:
    torch.save({"model": Code(touch, str(tmp_path / "RUN"))}, tmp_path / "best.pt")
    torch.load(tmp_path / "best.pt", weights_only=False)
    assert (tmp_path / "RUN").exists()


@pytest.mark.parametrize("task", ["segmentation", "poses"])
def test_a_checkpoint_of_another_task_is_one_sentence(tmp_path: Path, task: str) -> None:
    from ultralytics.nn.tasks import PoseModel, SegmentationModel

    make, description = {
        "segmentation": (SegmentationModel, "yolo11n-seg.yaml"), "poses": (PoseModel, "yolo11n-pose.yaml")
    }[task]  # fmt: skip
    path = save_checkpoint(tmp_path / "best.pt", make(description, nc=2, verbose=False))
    assert refusal(path) == (
        f"checkpoint {path} was trained for {task}; give one trained for detection (`yolo detect train`)"
    )


@pytest.mark.parametrize(
    ("changes", "names", "sentence"),
    [
        ({"train_args": {"task": "segment"}}, NAMES, "was trained for the task 'segment'"),
        ({}, ("fire", "smoke"), "names 2 classes, but its head has 3"),
        ({}, ("fire", "smoke", "car", "bus"), "names 4 classes, but its head has 3"),
        ({}, ("fire", "fire", "car"), "has no usable class names"),
        ({}, (), "has no usable class names"),
        ({"model": None}, NAMES, "holds no network of ultralytics"),
        ({"model": {"model.0.conv.weight": torch.ones(2)}}, NAMES, "holds no network of ultralytics"),
    ],
)
def test_a_checkpoint_that_contradicts_itself_is_one_sentence(
    tmp_path: Path, changes: dict[str, object], names: tuple[str, ...], sentence: str
) -> None:
    model = random_network("yolov8n")
    model.names = dict(enumerate(names))
    assert sentence in refusal(save_checkpoint(tmp_path / "best.pt", model, **changes))


def test_a_tensor_that_is_not_finite_is_named(tmp_path: Path) -> None:
    model = random_network("yolov8n")
    with torch.no_grad():
        model.model[0].conv.weight[0] = torch.nan
    assert "its tensor model.0.conv.weight is not finite" in refusal(
        save_checkpoint(tmp_path / "b.pt", model)
    )


def test_a_network_that_holds_itself_is_one_sentence(tmp_path: Path) -> None:
    model = random_network("yolov8n")
    model.model[0]._modules["circle"] = model.model[0]
    path = tmp_path / "best.pt"
    torch.save({"model": model}, path)
    assert "nests layers more than" in refusal(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git-LFS pointer"),
        (b"<html></html>", "is a web page"),
        (b"cos\nsystem\n(Vtouch OPENED\ntR.", "wants os.system"),
        (b"no pickle at all", "is not a whole checkpoint"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_one_sentence(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "best.pt"
    if content is not None:
        path.write_bytes(content)
    assert sentence in refusal(path)


@pytest.mark.parametrize("left", [0.3, 0.9, 0.999])
def test_a_cut_checkpoint_is_one_sentence(tmp_path: Path, left: float) -> None:
    path = save_checkpoint(tmp_path / "best.pt", random_network("yolov8n"))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * left)])
    assert "is not a whole checkpoint" in refusal(path)


def test_another_archive_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "is not a whole checkpoint" in refusal(path)


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MAX_BYTES", 100)
    (tmp_path / "best.pt").write_bytes(b"x" * 101)
    assert "100" in refusal(tmp_path / "best.pt")


def refusal(path: Path) -> str:
    with pytest.raises(WeightsRefused) as refused:
        read_checkpoint(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)
