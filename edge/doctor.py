"""Checks that everything that a node needs is present; changes nothing."""

import importlib.util
import tempfile
from pathlib import Path

import cv2
import numpy as np

from edge.settings import NodeSettings
from edge.vision.onnx_detector import available_providers
from messaging.errors import BlindspotError
from messaging.nats.broker import find_server
from messaging.runtime.configuration_files import load_settings
from messaging.runtime.start_checks import CheckResult

NOT_AT_THE_EDGE = ("torch", "ultralytics", "diffusers")


def examine(config: Path | None) -> list[CheckResult]:
    """Check the programs that a node needs and, with a configuration, the files that it names."""
    results = [_runtime(), _video(), _broker(), _lean()]
    if config is not None:
        results += _files(config)
    return results


def _runtime() -> CheckResult:
    return CheckResult("onnxruntime", True, ", ".join(available_providers()))


def _video() -> CheckResult:
    """Writes and reads a short video, because OpenCV without its codecs imports fine."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "probe.mp4")
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), 5.0, (64, 48))
        writer.write(np.zeros((48, 64, 3), np.uint8))
        writer.release()
        capture = cv2.VideoCapture(path)
        good, _ = capture.read()
        capture.release()
    detail = (
        f"OpenCV {cv2.__version__} reads video" if good else "OpenCV reads no video; reinstall opencv-python"
    )
    return CheckResult("video", good, detail)


def _broker() -> CheckResult:
    try:
        return CheckResult("nats-server", True, str(find_server()))
    except BlindspotError as error:
        return CheckResult("nats-server", False, str(error))


def _lean() -> CheckResult:
    found = [name for name in NOT_AT_THE_EDGE if importlib.util.find_spec(name)]
    detail = (
        f"also installed here: {', '.join(found)} (a site needs none)" if found else "no training library"
    )
    return CheckResult("lean", True, detail)


def _files(config: Path) -> list[CheckResult]:
    try:
        settings = load_settings(NodeSettings, config)
    except BlindspotError as error:
        return [CheckResult("configuration", False, str(error))]
    results = [CheckResult("configuration", True, str(config))]
    wanted = {
        "trust file": settings.trust,
        "mirror folder": settings.mirror,
        "teacher": settings.teacher.bundle,
        "broker credentials": settings.broker.credentials,
    }
    for name, path in wanted.items():
        if path is not None:
            exists = path.exists()
            results.append(CheckResult(name, exists, str(path) if exists else f"{path} does not exist"))
    return results
