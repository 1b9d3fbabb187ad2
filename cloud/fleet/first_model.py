"""The fleet's first model: the starting detector, exported, signed for service and stored, once.

Sites that are enrolled later receive the order to run it from `RolloutDriver.order_for_new_sites`.
"""

import logging
import time
from pathlib import Path

from cloud.detector.model_files import ModelFiles
from cloud.fleet.publisher import Publisher
from cloud.fleet.release_register import record_release
from cloud.store.release_store import ReleaseStore

logger = logging.getLogger(__name__)


def release_first_model(
    weights: Path | None, *, releases: ReleaseStore, models: ModelFiles, publisher: Publisher
) -> str | None:
    """Release the starting detector unless the fleet has a release; its digest, or None without weights."""
    current = releases.current_service()
    if current is not None:
        return current.digest
    if weights is None:
        logger.warning(
            "there is no starting detector; give one with starting_weights, sites run none until then"
        )
        return None
    digest = models.export(weights)
    description = models.detector(digest).description
    manifest = publisher.publish_first(models.bundle(digest).read_bytes(), description)
    record_release(
        releases, manifest, description.model_dump(mode="json"), campaign=None, signed_at=time.time()
    )
    logger.info("starting detector %s is released", digest[:12])
    return digest
