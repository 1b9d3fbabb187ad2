"""The fleet's first model: the starting detector, exported, signed for service and kept, once.

Sites that are enrolled later are ordered to run it by `RolloutDriver.order_for_new_sites`.
"""

import logging
from pathlib import Path

from cloud.campaigns.model_stages import remember_release
from cloud.campaigns.services import Parts
from cloud.starting_detector import STARTING_WEIGHTS

log = logging.getLogger(__name__)


def put_first_model(parts: Parts) -> str | None:
    """Release the starting detector unless the fleet has a release; its digest, or None without weights."""
    current = parts.releases.current_service()
    if current is not None:
        return current.digest
    weights = parts.settings.starting_weights or shipped(STARTING_WEIGHTS)
    if weights is None:
        log.warning(
            "there is no starting detector; give one with starting_weights, sites run none until then"
        )
        return None
    digest = parts.models.export(weights)
    description = parts.models.detector(digest).description
    manifest = parts.publisher.publish_first(parts.models.bundle(digest).read_bytes(), description)
    remember_release(parts, manifest, description.model_dump(mode="json"), campaign=None)
    log.info("starting detector %s is released", digest[:12])
    return digest


def shipped(path: Path) -> Path | None:
    """A shipped weights file, if this installation has it."""
    return path if path.is_file() else None
