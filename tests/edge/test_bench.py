"""The bench measures every stage of the configured node, writes figures, and touches nothing of the site."""

import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from edge.bench import measure, models_of
from edge.cli import app
from edge.errors import BundleRefused, SourceError
from edge.settings import NodeSettings
from messaging.runtime.configuration_files import load_settings
from tests.support.edge.tiny_bundles import tiny_bundle
from tests.support.trouble.node_folder import NodeFolder, run_edge

STAGES = {f"{stage}_p{n}_ms" for stage in ("decode", "inference", "tracking", "frame") for n in (50, 95)}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_bundle())
    return path


def _two_cameras(folder: Path) -> Path:
    cameras = [
        {"name": name, "source": f"rtsp://user:secret@127.0.0.1:1/{name}"} for name in ("yard", "gate")
    ]
    return NodeFolder(folder).write_config(cameras=cameras)


def test_every_stage_of_all_configured_cameras_is_measured(tmp_path: Path, bundle: Path) -> None:
    settings = load_settings(NodeSettings, _two_cameras(tmp_path / "site"))
    done: list[float] = []
    found = {f.name: f for f in measure(models_of(settings, bundle), seconds=0.5, progress=done.append)}
    values = {name: figure.value for name, figure in found.items()}
    assert set(values) >= STAGES
    assert values["cameras"] == 2
    assert all((values[name] or 0) > 0 for name in [*STAGES, "frames_per_second", "resident_mb"])
    assert values["frames_per_second"] == pytest.approx(2 * (values["frames_per_second_per_camera"] or 0))
    for stage in ("decode", "inference", "tracking"):
        assert (values["frame_p50_ms"] or 0) >= (values[f"{stage}_p50_ms"] or 0)
    assert (done[-1], sorted(done)) == (1.0, done)
    assert not settings.data.exists()


def test_the_teacher_of_the_site_compares_beside_the_frames(tmp_path: Path, bundle: Path) -> None:
    config = NodeFolder(tmp_path / "site").write_config(teacher={"bundle": str(bundle)})
    models = models_of(load_settings(NodeSettings, config), bundle)
    assert models.teacher is not None
    found = {figure.name: figure.value for figure in measure(models, seconds=1.0)}
    assert (found["frames_with_teacher"] or 0) > 0


def test_a_site_without_a_model_needs_a_bundle(tmp_path: Path) -> None:
    settings = load_settings(NodeSettings, NodeFolder(tmp_path / "site").write_config())
    with pytest.raises(BundleRefused, match="no model in service yet; name a bundle with --bundle"):
        models_of(settings, None)


def test_a_clip_without_frames_is_an_error_and_no_frame_rate(tmp_path: Path, bundle: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        measure(models_of(None, bundle), tmp_path / "absent.mp4", seconds=0.5)


def test_an_interrupted_measurement_leaves_no_thread_in_a_model(tmp_path: Path, bundle: Path) -> None:
    def interrupted(_done: float) -> None:
        raise KeyboardInterrupt

    settings = load_settings(NodeSettings, _two_cameras(tmp_path / "site"))
    with pytest.raises(KeyboardInterrupt):
        measure(models_of(settings, bundle), seconds=60.0, progress=interrupted)
    assert not [t.name for t in threading.enumerate() if t.name.startswith(("camera-", "comparisons"))]


def test_the_command_prints_and_writes_the_same_figures(tmp_path: Path, bundle: Path) -> None:
    folder, written = tmp_path / "images", tmp_path / "figures" / "bench.json"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), np.full((64, 64, 3), 90, np.uint8))
    arguments = ["--bundle", bundle, "--video", folder, "--seconds", "0.5", "--out", written]
    done = run_edge("bench", *arguments, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, json.loads(written.read_text()))
    document = json.loads(done.stdout)
    assert {figure["name"] for figure in document["figures"]} >= STAGES
    assert document["command"].startswith("blindspot-edge bench --bundle")
    assert "measuring tiny on cpu, 1 camera for 0.5 s" in done.stderr


def test_a_time_that_is_too_short_is_wrong_usage(bundle: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "--bundle", str(bundle), "--seconds", "0"])
    assert (result.exit_code, "--seconds" in result.output) == (2, True)
