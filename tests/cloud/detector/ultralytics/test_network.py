"""The torch network: tensors go in and come out unchanged, and unfitting ones are refused."""

from pathlib import Path

import pytest

from cloud.detector.ultralytics.network import network_of, start_from_coco
from cloud.errors import WeightsRefused
from tests.support.cloud.detector_weights import small_weights


def test_tensors_come_out_of_a_network_as_they_were_loaded() -> None:
    weights = small_weights()
    returned = network_of(weights).tensors()
    assert all(returned[n].tobytes() == v.tobytes() for n, v in weights.tensors.items())


def test_frozen_layers_have_no_trainable_parameters() -> None:
    free, frozen = network_of(small_weights()), network_of(small_weights(), frozen_layers=7)
    assert 0 < len(frozen.parameters()) < len(free.parameters())


def test_weights_of_another_architecture_are_refused() -> None:
    weights = small_weights()
    with pytest.raises(WeightsRefused, match="do not fit"):
        network_of(weights.with_card(class_names=("fire",), thresholds={"fire": 0.5}))


@pytest.mark.parametrize("architecture", ["yolo99z", "", "../../etc/passwd", "yolo11n.yaml", "a" * 99, "y\n"])
def test_an_unknown_architecture_is_one_sentence(architecture: str) -> None:
    with pytest.raises(WeightsRefused, match="ultralytics has no architecture") as refused:
        network_of(small_weights().with_card(architecture=architecture))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git-LFS pointer"),
        (b"<html></html>", "is a web page"),
        (b"cos\nsystem\n(Vtouch OPENED\ntR.", "a pickle: not opened"),
        (None, "cannot be read"),
    ],
)
def test_a_pickle_is_opened_only_with_the_known_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "coco.pt"
    if content is not None:
        path.write_bytes(content)
    weights = small_weights()
    with pytest.raises(WeightsRefused, match=sentence) as refused:
        start_from_coco(path, weights.basis, weights.card)
    assert str(path) in str(refused.value)
    assert not (tmp_path / "OPENED").exists()
