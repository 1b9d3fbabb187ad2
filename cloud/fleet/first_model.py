"""The fleet's first releases: the starting detector and the first teacher, exported, signed and stored, once.

Sites that are enrolled later receive the orders to run them from `RolloutDriver.order_for_new_sites`.
"""

import logging
import time
from pathlib import Path

from cloud.detector.model_files import ModelFiles
from cloud.detector.weights import read_weights
from cloud.fleet.publisher import Publisher
from cloud.fleet.release_register import record_release
from cloud.store.release_store import ReleaseStore
from messaging.releases import Role
from messaging.taxonomy import Taxonomy

logger = logging.getLogger(__name__)

_WITHOUT = {
    Role.DETECTOR: "there is no starting detector; give one with starting_weights, sites run none until then",
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
) -> str | None:
    """Release a model unless the fleet has one of its role; its digest, or None without weights."""
    current = releases.current_service(role)
    if current is not None:
        return current.digest
    if weights is None:
        logger.warning("%s", _WITHOUT[role])
        return None
    digest = models.export(weights)
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
