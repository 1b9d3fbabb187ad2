"""Names that a report may hold: listed in the configuration, signed by the cloud, or the first that came.

What neither the configuration nor the cloud names is learnt, up to a fixed number for the life of the site
and kept on disk, so that a gate needs no list and a hostile node can write only that much, once.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from edge.gate.limits.signed_names import SignedNames
from messaging.errors import FileFault, StateFileBroken
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.reports import MOST_CAMERAS
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.text_files import read_json

logger = logging.getLogger(__name__)


class Named(StrEnum):
    """What a name is of."""

    CAMERA = "camera"
    ZONE = "zone"
    CLASS = "class"
    DIGEST = "digest"
    EMBEDDING = "embedding"
    TEACHER = "teacher"


MOST_LEARNT: Mapping[Named, int] = {
    Named.CAMERA: MOST_CAMERAS,
    Named.ZONE: 64,
    Named.CLASS: 32,
    Named.DIGEST: 8,
    Named.EMBEDDING: 4,
    Named.TEACHER: 4,
}
"""So many names are learnt; classes and digests only until the first signed release, teachers always."""
Listed = Mapping[str, Sequence[str]]


class KnownNames:
    """The names of one site. `listed`: the zones of each camera, if the configuration lists them.

    A camera with an empty list of zones is known, and no zone of it.
    """

    def __init__(self, path: Path, listed: Listed | None, signed: Callable[[], SignedNames]) -> None:
        """Args: the file of what was learnt; the configuration's cameras; what the cloud has signed."""
        self._path, self._listed, self._signed = path, listed, signed
        self._learnt = _kept(path)

    def admits_camera(self, camera: str, zone: str | None = None) -> Named | None:
        """The first of both that is not known and cannot be learnt; None when both may leave."""
        if self._listed is not None:
            if camera not in self._listed:
                return Named.CAMERA
            return None if zone is None or zone in self._listed[camera] else Named.ZONE
        if not self._learns(Named.CAMERA, camera):
            return Named.CAMERA
        return None if zone is None or self._learns(Named.ZONE, zone) else Named.ZONE

    def admits(self, what: Named, name: str) -> bool:
        """Whether a class or a digest may leave. Raises `OSError` when what is learnt cannot be kept."""
        if what is Named.CLASS and name == UNKNOWN_CLASS:
            return True
        signed = self._signed()
        by_cloud = {Named.CLASS: signed.classes, Named.EMBEDDING: signed.embeddings}
        if name in by_cloud.get(what, signed.digests):
            return True
        return (what is Named.TEACHER or not signed.digests) and self._learns(what, name)

    def _learns(self, what: Named, name: str) -> bool:
        known = self._learnt[what]
        if name in known:
            return True
        if len(known) >= MOST_LEARNT[what]:
            return False
        found = {**self._learnt, what: [*known, name]}
        write_atomically(self._path, json.dumps(found, indent=1).encode())
        self._learnt = found
        logger.info("the %s %s is reported for the first time and may leave from now on", what, name)
        return True


def _kept(path: Path) -> dict[Named, list[str]]:
    """What was learnt. Raises `StateFileBroken`: a lost file would be one more chance to write names."""
    try:
        found = read_json(path) if path.exists() else {}
        return {what: [str(name) for name in found.get(what, [])] for what in Named}
    except (FileFault, AttributeError, TypeError) as error:
        raise StateFileBroken(
            f"{path} is damaged ({error}); list the site's cameras and zones in `cameras` of the gate's "
            "configuration, then remove it"
        ) from None
