"""The fleet's first releases, signed and stored once: imported or starting detector, and first teacher.

Sites that are enrolled later receive the orders to run them from `RolloutDriver.order_for_new_sites`.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from cloud.detector.model_files import ModelFiles
from cloud.detector.weights import read_weights
from cloud.errors import NotNow
from cloud.fleet.publisher import Publisher
from cloud.fleet.release_register import record_release
from cloud.store.release_store import ReleaseStore
from messaging.releases import Role
from messaging.taxonomy import Taxonomy
from messaging.trust.signing import Repository

logger = logging.getLogger(__name__)

_WITHOUT = {
    Role.DETECTOR: (
        "there is no starting detector; import one with `blindspot models import FILE`, or give one with "
        "starting_weights; sites run none until then"
    ),
    Role.TEACHER: (
        "there is no teacher; give one with teacher_weights or `blindspot teacher publish`, no failure mode "
        "is closed until then"
    ),
}


def release_first_model(
    weights: Path | None,
    *,
    releases: ReleaseStore,
    models: ModelFiles,
    publisher: Publisher,
    role: Role = Role.DETECTOR,
    stopping: Callable[[], bool] = lambda: False,
) -> str | None:
    """Release a model unless the fleet has one of its role: an imported detector, else that of the weights.

    Returns the digest of what is in service, or None without an imported detector and weights. Raises
    `StageInterrupted` once `stopping` returns true; the next start begins again.
    """
    current = releases.current_service(role)
    if current is not None:
        return current.digest
    digest = models.first if role is Role.DETECTOR else None
    if digest is None and weights is None:
        logger.warning("%s", _WITHOUT[role])
        return None
    if digest is None:
        assert weights is not None
        digest = models.export(weights, stopping)
    description = models.detector(digest).description
    publish = publisher.publish_first if role is Role.DETECTOR else publisher.publish_teacher
    manifest = publish(models.bundle(digest).read_bytes(), description)
    record_release(
        releases, manifest, description.model_dump(mode="json"), campaign=None, signed_at=time.time()
    )
    logger.info("the first %s, %s, is released", role, digest[:12])
    return digest


def described(weights: Path, taxonomy: Taxonomy, copy: Path) -> Path:
    """The weights file, or a copy that describes its classes as this deployment does, if that differs."""
    found = read_weights(weights)
    before = found.card.taxonomy.classes
    classes = tuple(taxonomy.hazard(c.name) if c.name in taxonomy.names else c for c in before)
    if classes == before:
        return weights
    found.with_card(classes=classes).write(copy)
    return copy


def refuse_begun_fleet(folder: Path) -> None:
    """Raise `NotNow` if the repository in a folder has a detector: any other has to pass a trial."""
    signed = Repository.open(folder).releases().values() if (folder / "metadata").is_dir() else ()
    detectors = [release for release in signed if release.role is Role.DETECTOR]
    if detectors:
        newest = max(detectors, key=lambda release: release.version)
        raise NotNow(
            f"the fleet of {folder.parent} runs {newest.name} ({newest.digest[:12]}) already, and a "
            "detector is imported before the first start; use another data folder, and enrol the sites there"
        )


def first_classes(weights: Path | None, models: ModelFiles) -> tuple[str, ...] | None:
    """The classes of the model that a fleet starts or started with; None if there is none."""
    if (digest := models.first) is not None:
        return models.detector(digest).description.class_names
    return None if weights is None else read_weights(weights).card.class_names
