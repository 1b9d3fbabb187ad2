"""Checks of everything that the programs of a site need and their configurations name; changes nothing."""

import base64
import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from edge import start_checks as node_checks
from edge.errors import EdgeError
from edge.gate import start_checks as gate_checks
from edge.gate.settings import GateSettings
from edge.settings import NodeSettings
from edge.vision.detection_speed import frames_per_second
from edge.vision.onnx_detector import OnnxDetector
from edge.vision.runtime_package import runtime_package
from messaging.errors import BlindspotError
from messaging.nats.broker import find_server
from messaging.nats.site_broker import broker_checks
from messaging.runtime.configuration_files import Settings, load_settings
from messaging.runtime.start_checks import CheckResult, opened

NOT_AT_THE_EDGE = ("torch", "ultralytics", "diffusers")
# One red H.264 image of 32x32 pixels, because OpenCV without its decoders imports fine.
H264_IMAGE = base64.b64decode(
    "AAAAAWdkAAqscgRJbARAAAADAEAAAAyDxIlhGAAAAAFo6EOPLIsAAAFliIEABX/+2OfzLJOXerfoNNpEtqlmrEL9"
)


def examine(
    config: Path | None,
    *,
    gate: Path | None = None,
    broker_folder: Path | None = None,
    bundle: Path | None = None,
    measures_speed: bool = False,
) -> list[CheckResult]:
    """Check this machine and, of each program with a configuration, everything that it names.

    With `measures_speed` also how many frames a second a bundle, or else the model in service, detects.
    """
    results = [
        opened("onnxruntime", runtime_package),
        opened("H.264 video", lambda: _decoded("probe.h264", H264_IMAGE)),
        opened("MJPEG video", lambda: _decoded("probe.avi", _mjpeg_video())),
        opened("nats-server", lambda: str(find_server())),
        _lean(),
    ]
    if config is None:
        results.append(node_checks.execution_provider(()))
    else:
        results += _configured("configuration", NodeSettings, config, node_checks.needed, node_checks.named)
    if gate is not None:
        results += _configured(
            "gate configuration", GateSettings, gate, gate_checks.needed, gate_checks.named
        )
    if config is not None and gate is not None:
        results += cameras_at_the_gate(config, gate)
    if broker_folder is not None:
        results += broker_checks(broker_folder, host="127.0.0.1", port=0)
    if measures_speed:
        results.append(_speed(config, bundle))
    return results


def cameras_at_the_gate(config: Path, gate: Path) -> Iterator[CheckResult]:
    """Whether the gate lets every camera and zone of the node report; nothing unless both files are valid."""
    try:
        cameras = load_settings(NodeSettings, config).cameras
        listed = load_settings(GateSettings, gate).cameras
    except BlindspotError:
        return
    name = "cameras at the gate"
    if listed is None:
        detail = f"{gate} has no `cameras`: the first cameras and zones that are reported may leave"
        yield CheckResult(name, True, detail)
        return
    refused = [f"camera {camera.name}" for camera in cameras if camera.name not in listed]
    for camera in cameras:
        unlisted = camera.zones.keys() - set(listed.get(camera.name, camera.zones))
        refused += [f"zone {zone} of camera {camera.name}" for zone in sorted(unlisted)]
    if refused:
        detail = (
            f"{', '.join(refused)}: not in `cameras` of {gate}, so the gate refuses their reports; "
            "list them there and start the gate again"
        )
        yield CheckResult(name, False, detail)
        return
    yield CheckResult(name, True, f"{gate} lists every camera and zone of the node")


def _speed(config: Path | None, bundle: Path | None) -> CheckResult:
    return opened("speed", lambda: _measured(config, bundle))


def _measured(config: Path | None, bundle: Path | None) -> str:
    settings = None if config is None else load_settings(NodeSettings, config)
    if bundle is not None:
        detector = OnnxDetector(bundle) if settings is None else node_checks.open_detector(bundle, settings)
    elif settings is None or (model := node_checks.model_in_service(settings)) is None:
        return "not measured: no model in service; name a bundle with --bundle"
    else:
        detector = model
    rate = frames_per_second(detector)
    return f"{rate:.3g} frames a second detected by {detector.description.name} on {detector.provider}"


def _decoded(name: str, video: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(video)
        capture = cv2.VideoCapture(str(path))
        good, _ = capture.read()
        capture.release()
    if not good:
        raise EdgeError(f"OpenCV {cv2.__version__} does not decode it; reinstall opencv-python")
    return f"OpenCV {cv2.__version__} decodes it"


def _mjpeg_video() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (64, 48))
        writer.write(np.zeros((48, 64, 3), np.uint8))
        writer.release()
        return path.read_bytes() if path.exists() else b""


def _lean() -> CheckResult:
    found = [name for name in NOT_AT_THE_EDGE if importlib.util.find_spec(name)]
    detail = (
        f"also installed here: {', '.join(found)} (a site needs none)" if found else "no training library"
    )
    return CheckResult("lean", True, detail)


def _configured(
    name: str, model: type[Settings], config: Path, *lists: Callable[[Settings], Iterator[CheckResult]]
) -> Iterator[CheckResult]:
    """The check of a configuration file and, if it is valid, of what it names."""
    try:
        settings = load_settings(model, config)
    except BlindspotError as error:
        yield CheckResult(name, False, str(error))
        return
    yield CheckResult(name, True, str(config))
    for checks in lists:
        yield from checks(settings)
