"""A replay: every frame once, detections per class, and a source without frames is an error."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from edge.cli import app
from edge.errors import SourceError
from edge.replay import replay_video
from tests.support.edge.tiny_bundles import tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_bundle())
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Five images; each has one red square, which the tiny detector reports as fire."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(5):
        image = np.zeros((64, 64, 3), np.uint8)
        image[16:32, 16:32, 2] = 255
        cv2.imwrite(str(folder / f"{index}.png"), image)
    return folder


def test_every_frame_is_processed_once_and_detections_are_counted(images: Path, bundle: Path) -> None:
    result = replay_video(images, bundle, frames=1000)
    assert (result.frames, result.detections, result.tracks) == (5, {"fire": 5}, 1)
    assert 0 < result.inference_p50_ms <= result.inference_p95_ms
    assert result.first_frame_s > 0
    assert result.resident_mb > 10


def test_a_hazard_that_stays_is_counted_once_by_the_rules_of_a_node(images: Path, bundle: Path) -> None:
    for index in range(5, 10):  # images come five a second: these ten show two seconds of fire
        (images / f"{index}.png").write_bytes((images / "0.png").read_bytes())
    result = replay_video(images, bundle, frames=1000)
    assert (result.footage_s, result.frames_with, result.hazards) == (2.0, {"fire": 10}, {"fire": 1})


def test_two_frames_of_a_hazard_are_no_hazard_event(images: Path, bundle: Path) -> None:
    assert replay_video(images, bundle, frames=2).hazards == {}


def test_it_ends_at_the_wanted_number_of_frames(images: Path, bundle: Path) -> None:
    assert replay_video(images, bundle, frames=2).frames == 2


def test_the_command_prints_the_same_result(images: Path, bundle: Path) -> None:
    arguments = ["replay", str(images), "--bundle", str(bundle)]
    as_json = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert as_json["detections"] == {"fire": 5}
    assert "frames: 5" in CliRunner().invoke(app, arguments).stdout


def test_a_source_without_frames_is_an_error(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError):
        replay_video(tmp_path / "empty", bundle, frames=1)
