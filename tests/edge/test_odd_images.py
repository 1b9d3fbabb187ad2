"""Odd images through a real detector and the whole pipeline of a camera, and by way of a replay."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from ulid import ULID

from edge.app import _source
from edge.camera.health import CameraMetrics
from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from edge.metrics import NodeMetrics
from edge.pipeline import CameraPipeline, PipelineParts
from edge.privacy.accountant import PrivacyAccountant
from edge.replay import replay_video
from edge.settings import CameraSettings, EvidenceSettings, PrivacySettings, TeacherSettings
from edge.tracking.open_hazards import OpenHazards
from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.vision.detector import Image
from edge.vision.frames import Frame
from edge.vision.onnx_detector import OnnxDetector
from tests.support.edge.shown import show
from tests.support.edge.tiny_bundles import tiny_bundle
from tests.support.trouble import odd_images
from tests.support.trouble.odd_images import encoded

SHAPES = ((1, 1), (1, 2000), (2000, 1), (3, 700), (2, 2), (4000, 30))


def red(height: int, width: int) -> Image:
    """An image that the tiny detector takes for fire in its middle."""
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 4 : max(height // 2, 1), width // 4 : max(width // 2, 1), 2] = 255
    return image


@pytest.mark.parametrize("stills", [True, False])
@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_a_strip_passes_every_step_of_the_pipeline(
    tmp_path: Path, height: int, width: int, stills: bool
) -> None:
    service = SwappableDetector(OnnxDetector, SwapPolicy(latency_factor=2.5))
    service.serve(OnnxDetector(tiny_bundle()))
    parts = PipelineParts(
        service,
        service,
        PrivacyAccountant(tmp_path / "cam.json", PrivacySettings(), utc=lambda: 0.0),
        NodeMetrics(),
        lambda: str(ULID()),
        EvidenceSettings(second_view_every=1),
        TeacherSettings(),
        OpenHazards(tmp_path / "hazards.json"),
    )
    settings = CameraSettings(name="cam", source="unused", stills=stills)
    pipeline = CameraPipeline(settings, parts, CameraMetrics())
    for number in range(12):
        size = (height, width) if number < 8 else (64, 64)
        show(pipeline, Frame("cam", red(*size), number, float(number), 1_700_000_000.0 + number))
    pipeline.end(1_700_000_100.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The images that a gigapixel claim, a thermal camera, two strips and a cut transfer leave behind."""
    files = {
        "c1.png": encoded(red(64, 64)),
        "c2.png": odd_images.gigapixel_png(),
        "c3.png": encoded(odd_images.thermal()),
        "c4.png": encoded(red(1, 2000)),
        "c5.png": encoded(red(2000, 1)),
        "c6.png": encoded(red(64, 64))[:-20],
        "c10.png": encoded(red(64, 64)),
    }
    folder = tmp_path / "images"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_replay_processes_every_image_that_can_be_read(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(tiny_bundle())
    assert replay_video(folder, tmp_path / "model.onnx", frames=100).frames == 5


def test_a_replay_counts_one_object_over_changes_of_size_as_one_track(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(tiny_bundle())
    folder = tmp_path / "images"
    folder.mkdir()
    for number, side in enumerate((64, 64, 64, 256, 256, 128)):
        (folder / f"c{number}.png").write_bytes(encoded(red(side, side)))
    assert replay_video(folder, tmp_path / "model.onnx", frames=100).tracks == 1


@pytest.mark.parametrize(("fps", "last_s"), [(None, 20.0), (2.0, 1.0)])
def test_the_fps_of_a_camera_replace_the_times_of_its_files(
    tmp_path: Path, fps: float | None, last_s: float
) -> None:
    for clock in ("115950", "115955", "120010"):
        (tmp_path / f"cam_20260131_{clock}.png").write_bytes(encoded(red(64, 64)))
    camera = CameraSettings(name="cam", source=str(tmp_path), speed=None, fps=fps)
    frames = list(_source(camera, tmp_path / "data").frames(threading.Event()))
    assert isinstance(frames[-1], Frame)
    assert frames[-1].time_s == last_s


def test_an_image_folder_that_is_a_link_is_played(tmp_path: Path, folder: Path) -> None:
    os.symlink(folder, tmp_path / "link")
    source = open_source(str(tmp_path / "link"), SourceSettings(speed=None), camera="cam")
    assert len(list(source.frames(threading.Event()))) == 5
