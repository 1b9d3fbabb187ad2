"""Checks of everything that the cloud's configuration names.

`start_checks` are required by `cloud run`; a fault of `named_checks` concerns campaigns only and is logged at
the start, so that reports are received all the same. `blindspot doctor` prints both. Files are opened by the
code that will use them later; nothing that stays is changed.
"""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cloud.api.client import RemoteCloud
from cloud.campaigns.workflow_database import inspected_workflows
from cloud.class_register import ClassRegister
from cloud.data.datasets import DatasetRegister
from cloud.detector.model_files import ModelFiles
from cloud.detector.weights import read_weights
from cloud.errors import StoreUnavailable
from cloud.server_certificate import certificate_authority, certificate_checks, served_certificate_check
from cloud.settings import CloudSettings, DataFolder
from cloud.speed import campaign_time, campaign_work, measure
from cloud.starting_detector import STARTING_WEIGHTS, TEACHER_WEIGHTS, shipped, shipped_judge
from cloud.store.database import inspected_database
from edge.vision.runtime_package import runtime_package
from messaging.cloud_address import read_token
from messaging.errors import FileFault
from messaging.nats.broker import find_server
from messaging.resources import OverviewResource, ReadinessResource
from messaging.runtime.start_checks import (
    CheckResult,
    clock_after_files,
    disk_space,
    free_port,
    opened,
    private_file,
    readable_file,
    writable_folder,
)
from messaging.trust.signing import inspect_repository
from synth.generation.inspection import inspected_generator
from synth.torch_device import choose_device

CAMPAIGN_IMAGES = 100
NEEDED_BYTES = 2 * 2**30


def examine(settings: CloudSettings, *, speed: bool = False) -> list[CheckResult]:
    """Every check, the running cloud included; with `speed` also measurements, if nothing is at fault."""
    running = _running(settings)
    results = [
        CheckResult("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        *start_checks(settings, ports=not running or not running[0].ok),
        *named_checks(settings),
        *_token(settings.folder.token),
        *running,
    ]
    if speed and all(result.ok for result in results):
        results += _speed(settings)
    return results


def start_checks(settings: CloudSettings, *, ports: bool = True) -> Iterator[CheckResult]:
    """What must hold before the cloud starts; `ports` are not free while a cloud of ours runs."""
    folder = settings.folder
    yield opened("onnxruntime", runtime_package)
    yield opened("broker", lambda: str(find_server()))
    yield writable_folder("data folder", folder.root)
    if ports:
        yield free_port("api", settings.api.host, settings.api.port)
        yield free_port("hub", settings.hub.host, settings.hub.port)
    yield opened("classes", lambda: _classes(settings))
    yield opened("store", lambda: inspected_database(settings.store_url))
    yield opened("workflows", lambda: inspected_workflows(folder.workflows))
    yield opened("releases", lambda: inspect_repository(folder.releases))
    yield from _hub_keys(folder)
    yield from certificate_checks(settings)


def secret_files(settings: CloudSettings) -> Iterator[tuple[str, Path]]:
    """Name and file of the secrets that others may read without stopping the start."""
    yield "token", settings.folder.token
    if settings.tls.files is None:
        yield "server certificate", certificate_authority(settings).server_path


def named_checks(settings: CloudSettings) -> Iterator[CheckResult]:
    """What campaigns need: space, models, datasets, and a clock that has not been set back."""
    folder = settings.folder
    yield disk_space("disk", folder.root, min_bytes=NEEDED_BYTES)
    yield from _detectors(settings)
    wanted = settings.synthesis
    yield opened("generator", lambda: inspected_generator(wanted.generator, wanted.options))
    yield opened("datasets", lambda: _datasets(folder))
    written = (folder.store, folder.address, folder.token, folder.releases / "metadata" / "timestamp.json")
    yield clock_after_files("clock", written)


def _classes(settings: CloudSettings) -> str:
    return ", ".join(ClassRegister(settings).taxonomy.names)


def _speed(settings: CloudSettings) -> Iterator[CheckResult]:
    """The rates of this machine, and what a campaign takes at them."""
    yield opened("device", lambda: str(choose_device(settings.training.device, settings.training.precision)))
    speed = measure(settings)
    late = "the time did not suffice: the machine is slow or busy"
    problems = speed.faults or (() if speed.complete else (late,))
    detail = "; ".join((str(speed), *problems))
    yield CheckResult("speed", not speed.faults, detail, warning=not speed.complete)
    work = campaign_work(settings, CAMPAIGN_IMAGES)
    time = campaign_time(speed, work)
    took = "is not estimated: not every rate was measured" if time is None else f"takes {time} here"
    yield CheckResult(
        f"campaign of {CAMPAIGN_IMAGES} images",
        True,
        f"{took}; it trains {work.trained} images and detects on {work.detected}",
        warning=time is None,
    )


def _running(settings: CloudSettings) -> list[CheckResult]:
    """Whether the cloud of this data folder answers with its token and is ready; nothing if none runs."""
    folder = settings.folder
    if not folder.address.exists():
        return []

    def asked() -> str:
        with RemoteCloud.of_folder(folder.root) as cloud:
            found = cloud.get("/readyz", ReadinessResource)
            cloud.get("overview", OverviewResource)
        if not found.ready:
            raise StoreUnavailable(f"{cloud.url} is not ready: {'; '.join(found.reasons)}")
        return f"{cloud.url} is ready"

    return [opened("cloud", asked), *served_certificate_check(settings)]


def _hub_keys(folder: DataFolder) -> Iterator[CheckResult]:
    """Seeds, credentials and certificates of the hub's clients: only their owner may read them."""
    authority = folder.hub / "authority"
    for path in sorted(authority.rglob("*")):
        if path.suffix in (".seed", ".creds", ".pem"):
            whole = readable_file(f"hub key {path.relative_to(authority)}", path)
            yield private_file(whole.name, path) if whole.ok else whole


def _token(path: Path) -> Iterator[CheckResult]:
    """The start of the cloud replaces a damaged token, so only the doctor checks it."""
    if path.exists():
        private = private_file("token", path)
        yield opened("token", lambda: _is_token(path)) if private.ok else private


def _is_token(path: Path) -> str:
    read_token(path)
    return str(path)


def _detectors(settings: CloudSettings) -> Iterator[CheckResult]:
    models = ModelFiles(settings.folder.models)
    imported = opened("imported detector", lambda: _imported(models))
    usual = settings.starting_weights or shipped(STARTING_WEIGHTS)
    if imported.detail:
        yield imported
    named = {
        "starting detector": None if imported.detail else usual,
        "first teacher": settings.teacher_weights or shipped(TEACHER_WEIGHTS),
        "reference detector": settings.synthesis.reference_weights or shipped_judge(),
    }
    for name, path in named.items():
        if path is not None:
            yield opened(name, partial(_weights, path))


def _imported(models: ModelFiles) -> str:
    """The imported model that a new fleet starts with; an empty text if there is none."""
    if (digest := models.first) is None:
        return ""
    description = models.detector(digest).description
    return f"{description.name}: {', '.join(description.class_names)}"


def _weights(path: Path) -> str:
    return f"{path} ({read_weights(path).card.name})"


def _datasets(folder: DataFolder) -> str:
    """Whether each dataset has the number of images that its description states."""
    found = DatasetRegister(folder.datasets).all()
    for dataset in found:
        images = sum(1 for path in (dataset.folder / "images").glob("*") if path.is_file())
        if images != dataset.images:
            raise FileFault(
                f"dataset {dataset.name} in {dataset.folder} has {images} images, its description states "
                f"{dataset.images}; add the folder again or restore it from a backup"
            )
    return f"{len(found)} datasets"
