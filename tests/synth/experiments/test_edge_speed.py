"""The speed of a site's frames is measured with second views and teacher running."""

from pathlib import Path

import pytest

from synth.experiments import edge_speed
from tests.support.edge.tiny_bundles import tiny_bundle, tiny_description


def test_a_frame_is_compared_with_the_bare_session_and_with_predict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_speed, "ULTRALYTICS", "tests.support.synth.quick_predict")
    service, teacher = tmp_path / "service.onnx", tmp_path / "teacher.onnx"
    service.write_bytes(tiny_bundle())
    teacher.write_bytes(tiny_bundle(tiny_description(name="teacher")))
    figures = edge_speed.measure(service, teacher, architecture="yolo11n", rounds=1, frames=60)
    values = {figure.name: figure.value for figure in figures}
    assert (values["frame_processor_time_p50_to_bare"] or 0) > 1
    assert (values["frame_processor_time_mean_to_bare"] or 0) > 1
    assert values["ultralytics_predict_p50_ms"] == 20.0
    assert (values["frames_with_teacher"] or 0) > 0
    assert (values["bare_p50_ms_cpu_float32"] or 0) > 0
    assert {figure.n for figure in figures if figure.name.startswith("frame_p")} == {60}
    targets = {figure.name: figure.target for figure in figures if figure.target}
    assert targets == {
        "frame_p50_to_bare": "<= 1.10",
        "frame_p95_to_bare_p95": "<= 1.5",
        "fps_to_ultralytics_predict": ">= 1.5",
    }
