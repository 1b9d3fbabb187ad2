"""What a node needs: the checks before its start, and those of everything else that its configuration names.

`needed` is required by the node itself and fast; `named` opens the rest and takes seconds: cameras give a
first frame, models load, the broker accepts the credentials. The doctor prints both. Nothing is changed.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from edge.camera.live_feed import CameraFeed
from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from edge.errors import BundleRefused, SourceError
from edge.privacy.accounts import account_file, account_path
from edge.settings import CameraSettings, NodeSettings
from edge.source_address import parse_source
from edge.updates.incoming_orders import read_checked
from edge.updates.weights_state import read_state
from edge.vision.onnx_detector import OnnxDetector, granted_provider
from edge.vision.providers import GrantedProvider
from edge.vision.time_limits import OF_THIS_PROCESS, CallWatch, TimeLimits
from messaging.bus import Link
from messaging.errors import FileFault, StartRefused
from messaging.nats.bus import NatsBus
from messaging.nats.credentials import read_key
from messaging.nats.subjects import inbox_prefix
from messaging.releases import ExecutionProvider, Role
from messaging.reports import HazardEvent
from messaging.runtime.addresses import is_loopback
from messaging.runtime.quoting import url_host
from messaging.runtime.start_checks import (
    CheckResult,
    clock_after_files,
    disk_space,
    free_port,
    opened,
    private_file,
    writable_folder,
)
from messaging.runtime.state_files import StateFile
from messaging.runtime.text_files import read_json
from messaging.trust.site_trust import SiteTrust

CAMERA_LIMIT_S = 4.0
BROKER_LIMIT_S = 3.0
COMPILING_FACTOR = 10
NO_MODEL = {
    Role.DETECTOR: "no model yet: the site waits for its first release",
    Role.TEACHER: "no teacher yet: failure modes cannot be closed by this site until its cloud releases one",
}
_HAZARDS = TypeAdapter(tuple[HazardEvent, ...])


def broker_link(settings: NodeSettings) -> Link:
    """How the node reaches its site's broker."""
    seed = settings.broker.credentials
    return Link(
        settings.broker.url,
        f"node-{settings.site}",
        nkey_seed_path=str(seed) if seed else None,
        inbox_prefix=inbox_prefix(settings.site),
    )


def open_detector(
    bundle: Path | bytes,
    settings: NodeSettings,
    role: Role = Role.DETECTOR,
    watch: CallWatch | None = None,
) -> OnnxDetector:
    """A model on the node's execution providers, within its time limits; a teacher has one thread.

    Raises `BundleRefused`.
    """
    threads = settings.detector_threads if role is Role.DETECTOR else 1
    compiles = ExecutionProvider.TENSORRT in settings.providers
    limits = TimeLimits(
        settings.updates.inference_limit_s,
        settings.updates.load_limit_s * (COMPILING_FACTOR if compiles else 1),
        watch or OF_THIS_PROCESS,
    )
    return OnnxDetector(bundle, providers=settings.providers, threads=threads, limits=limits)


def needed(settings: NodeSettings) -> Iterator[CheckResult]:
    """What must hold before the node starts: data folder, trust file, state files, a provider for models."""
    yield writable_folder("data folder", settings.data)
    yield opened("trust file", lambda: _parsed_trust(settings.trust))
    yield opened("models", partial(_models, settings, Role.DETECTOR))
    if settings.teacher.enabled and settings.teacher.bundle is None:
        yield opened("teacher models", partial(_models, settings, Role.TEACHER))
    yield execution_provider(settings.providers)


def execution_provider(providers: Sequence[ExecutionProvider]) -> CheckResult:
    """The execution provider that models would run on; a warning if it is not the preferred one."""
    granted: GrantedProvider | None = None

    def tried() -> str:
        nonlocal granted
        granted = granted_provider(providers)
        return str(granted)

    result = opened("execution provider", tried)
    return replace(result, warning=granted is not None and granted.fallback)


def live_view(host: str, port: int) -> CheckResult:
    """Where the live view is; a warning where others can read what crosses the network."""
    where = f"http://{url_host(host)}:{port}/live"
    if is_loopback(host):
        return CheckResult("live view", True, where)
    plain = "it is not encrypted, so only for a network that you trust"
    return CheckResult("live view", True, f"{where}; {plain}", warning=True)


def secret_files(settings: NodeSettings) -> Iterator[tuple[str, Path]]:
    """Name and file of the seed that lets the node into its site's broker, if it is configured with one."""
    if settings.broker.credentials is not None:
        yield "broker credentials", settings.broker.credentials


def named(settings: NodeSettings) -> Iterator[CheckResult]:
    """Everything else that the configuration names, opened."""
    yield opened("trust expiry", lambda: _unexpired(settings))
    yield disk_space("disk", settings.data)
    yield clock_after_files("clock", [settings.data, *settings.data.glob("*/*")])
    yield opened("mirror folder", lambda: _mirror(settings.mirror))
    if settings.page_port is not None:
        yield free_port("page_port", settings.page_host, settings.page_port)
        if settings.live_view is not None:
            yield live_view(settings.page_host, settings.page_port)
    seed = settings.broker.credentials
    if seed is not None:
        usable = opened("broker credentials", lambda: f"{seed}: key {read_key(seed).public[:12]}")
        yield private_file("broker credentials", seed) if usable.ok else usable
    yield opened("broker", lambda: asyncio.run(_broker(settings)))
    bundle = settings.teacher.own_bundle
    if bundle is not None:
        yield opened("teacher", lambda: _teacher(settings, bundle))
    for camera in settings.cameras:
        yield opened(f"camera {camera.name}", partial(_first_frame, camera))
        yield opened(f"state of camera {camera.name}", partial(_state, settings, camera))


def _parsed_trust(path: Path) -> str:
    SiteTrust.read(path)
    return str(path)


def _unexpired(settings: NodeSettings) -> str:
    """The expiry does not stop a node: the model in service continues to detect."""
    trust = SiteTrust.read(settings.trust)
    expires = max([trust.root_expires, *_newer_root(settings.data / "weights" / "trust" / "root.json")])
    if expires.timestamp() < time.time():
        raise StartRefused(
            f"{settings.trust} has a root that expired on {expires:%Y-%m-%d}; enrol the site again, "
            "or set the clock"
        )
    return f"valid until {expires:%Y-%m-%d}"


def _newer_root(path: Path) -> list[datetime]:
    """The expiry of the root that the node has learned since its enrolment, if any."""
    if not path.exists():
        return []
    try:
        return [datetime.fromisoformat(read_json(path)["signed"]["expires"])]
    except (FileFault, ValueError, KeyError, TypeError):
        return []


def weights_folder(data: Path, role: Role) -> Path:
    """Where a node keeps its models of a role, and what it remembers of their orders."""
    return data / ("weights" if role is Role.DETECTOR else str(role))


def _models(settings: NodeSettings, role: Role) -> str:
    active = read_state(weights_folder(settings.data, role) / "state.json").active
    if active is None:
        return NO_MODEL[role]
    return f"{active.digest[:12]} (version {active.version}) in service"


def _mirror(folder: Path) -> str:
    if not folder.is_dir():
        raise StartRefused(f"{folder} does not exist; run the gate, or correct `mirror`")
    names = sorted(path.name for path in folder.iterdir())
    path = folder / "metadata" / "timestamp.json"
    if not path.exists():
        return f"{folder} has no release metadata yet ({', '.join(names) or 'empty'})"
    try:
        expires = datetime.fromisoformat(read_json(path)["signed"]["expires"])
    except (ValueError, KeyError, TypeError):
        raise StartRefused(
            f"{path} is no release metadata; restart the gate, which copies it again"
        ) from None
    if expires.timestamp() < time.time():
        raise StartRefused(
            f"{path} expired on {expires:%Y-%m-%d %H:%M} UTC; check that the gate runs and the clock is right"
        )
    return f"{folder}, release metadata valid until {expires:%Y-%m-%d}"


async def _broker(settings: NodeSettings) -> str:
    bus = await NatsBus.connect(broker_link(settings), timeout_s=BROKER_LIMIT_S)
    await bus.close()
    return f"{settings.broker.url} accepts the node"


def model_in_service(settings: NodeSettings, role: Role = Role.DETECTOR) -> OnnxDetector | None:
    """The model that the node would run in a role, from its data folder; None before the first release."""
    folder = weights_folder(settings.data, role)
    active = read_state(folder / "state.json").active
    if active is None:
        return None
    return open_detector(read_checked(folder / "models" / f"{active.digest}.onnx", active), settings, role)


def _teacher(settings: NodeSettings, bundle: Path) -> str:
    teacher, model = open_detector(bundle, settings, Role.TEACHER), model_in_service(settings)
    names = teacher.description.class_names
    if model is None:
        return f"{bundle}: {', '.join(names)}"
    service = model.description
    shared = [name for name in names if name in service.class_names]
    if not shared:
        raise BundleRefused(
            f"{bundle} detects {', '.join(names)}, the model in service {', '.join(service.class_names)}; "
            "give a teacher of the same classes"
        )
    return f"{bundle}: {', '.join(shared)}"


def _first_frame(camera: CameraSettings) -> str:
    address = parse_source(camera.source)
    if address.is_camera:
        feed = CameraFeed(address, CAMERA_LIMIT_S)
        feed.open()
        try:
            image = feed.read()
        finally:
            feed.close()
        if image is None:
            raise SourceError("connects, but sends no image; check its stream")
        return f"sends images of {image.shape[1]}x{image.shape[0]}"
    if camera.segments:
        folder = Path(address.text)
        if not folder.is_dir():
            raise SourceError(f"segment folder {folder} does not exist; create it or correct `source`")
        return f"{folder} holds {sum(1 for _ in folder.iterdir())} files"
    source = open_source(camera.source, SourceSettings(speed=None), camera=camera.name)
    for item in source.frames(threading.Event()):
        if isinstance(item, SourceError):
            raise item
        height, width = item.image.shape[:2]
        return f"{address.text} gives images of {width}x{height}"
    raise SourceError(f"{address.text} gives no frame; give another file or folder")


def _state(settings: NodeSettings, camera: CameraSettings) -> str:
    """Whether the files that the node keeps for this camera can be read back."""
    account = account_file(account_path(settings.data, camera.name)).read()
    StateFile(settings.data / "hazards" / f"{camera.name}.json", _HAZARDS).read()
    return f"{len(account.spendings) if account else 0} releases in the privacy account"
