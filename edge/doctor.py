"""Is everything here that a node needs? Looks and tells; changes nothing."""

import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.settings import NodeSettings
from edge.vision.onnx_detector import available_providers
from messaging.errors import BlindspotError
from messaging.nats.broker import find_server
from messaging.runtime.configuration_files import load_settings

NOT_AT_THE_EDGE = ("torch", "ultralytics", "diffusers")


@dataclass(frozen=True)
class CheckResult:
    """One thing that was looked at. `says` is a version, a path, or what to do."""

    what: str
    fine: bool
    says: str


def examine(config: Path | None) -> list[CheckResult]:
    """Look at the programs a node needs and, with a configuration, at the files that it names."""
    findings = [_runtime(), _video(), _broker(), _lean()]
    if config is not None:
        findings += _files(config)
    return findings


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
    says = (
        f"OpenCV {cv2.__version__} reads video" if good else "OpenCV reads no video; reinstall opencv-python"
    )
    return CheckResult("video", good, says)


def _broker() -> CheckResult:
    try:
        return CheckResult("nats-server", True, str(find_server()))
    except BlindspotError as error:
        return CheckResult("nats-server", False, str(error))


def _lean() -> CheckResult:
    found = [name for name in NOT_AT_THE_EDGE if importlib.util.find_spec(name)]
    says = f"also installed here: {', '.join(found)} (a site needs none)" if found else "no training library"
    return CheckResult("lean", True, says)


def _files(config: Path) -> list[CheckResult]:
    try:
        settings = load_settings(NodeSettings, config)
    except BlindspotError as error:
        return [CheckResult("configuration", False, str(error))]
    findings = [CheckResult("configuration", True, str(config))]
    wanted = {
        "trust file": settings.trust,
        "mirror folder": settings.mirror,
        "teacher": settings.teacher.bundle,
        "broker credentials": settings.broker.credentials,
    }
    for what, path in wanted.items():
        if path is not None:
            there = path.exists()
            findings.append(CheckResult(what, there, str(path) if there else f"{path} does not exist"))
    return findings
