"""The prototypes of one camera: which vector an appearance contributes, and what leaves of the sums.

Tracks of the detector in service and evidence with a class are located in the camera's `Appearances`. An
appearance that is over adds one vector to the sum of one class and condition; `release_prototype` noises the
sums that are large enough. Not thread-safe.
"""

from collections.abc import Hashable, Mapping
from pathlib import Path

from edge.errors import BudgetSpent
from edge.privacy.accountant import PrivacyAccountant
from edge.privacy.appearances import Appearances, Contribution
from edge.privacy.kept_sums import SumsFile
from edge.privacy.release import release_prototype
from edge.settings import CameraSettings
from edge.vision.detections import Floats
from edge.vision.prototypes import PrototypeBook
from messaging.releases import BundleDescription
from messaging.reports import ClassPrototype

LOCATED_EVERY_S, NEAR = 1.0, 0.1


class CameraPrototypes:
    """The sums of one camera, and the appearances that they will hold."""

    def __init__(
        self,
        camera: CameraSettings,
        bundle: BundleDescription,
        accountant: PrivacyAccountant,
        sums: Path | None = None,
    ) -> None:
        """`sums` is the file that keeps them over a restart, None without."""
        self._camera, self._accountant = camera.name, accountant
        self._book = PrototypeBook(bundle.clip_norm, bundle.embedding_width)
        self._space = bundle.embedding_digest
        self._located: dict[Hashable, tuple[float, Floats]] = {}
        self._file = None if sums is None else SumsFile(sums)
        if self._file is not None:
            self._file.fill(self._book, bundle.embedding_digest)
        self.appearances = Appearances(camera.same_place_s, camera.same_place_frames)

    def follow(self, bundle: BundleDescription) -> None:
        """Another model is in service; the sums of another embedding space are of no use to it."""
        if bundle.embedding_digest != self._space:
            self._space = bundle.embedding_digest
            self._book = PrototypeBook(bundle.clip_norm, bundle.embedding_width)

    def observe(self, tracks: Mapping[Hashable, Floats], time_s: float) -> None:
        """A further frame with the boxes (4,) of the tracks on it."""
        for contribution in self.appearances.advance(time_s):
            if contribution.key.embedding_digest == self._space:
                self._book.add(contribution.key, contribution.vector)
        self._located = {track: self._locate(track, xyxy, time_s) for track, xyxy in tracks.items()}

    def _locate(self, track: Hashable, xyxy: Floats, time_s: float) -> tuple[float, Floats]:
        """When and where a track was located last: now, unless that was at this place within a second."""
        before = self._located.get(track)
        if before is not None and time_s - before[0] < LOCATED_EVERY_S and _is_near(before[1], xyxy):
            return before
        self.appearances.at(xyxy, time_s, track)
        return time_s, xyxy

    def offer(
        self, contribution: Contribution, xyxy: Floats, time_s: float, track: Hashable | None = None
    ) -> None:
        """A vector of the object at a box (4,)."""
        self.appearances.contribute(self.appearances.at(xyxy, time_s, track), contribution)

    def release(self, at_utc: float) -> tuple[list[ClassPrototype], int]:
        """What leaves now, and how many sums the privacy budget withholds."""
        released, withheld = list[ClassPrototype](), 0
        for key in self._book.ready(self._accountant.tracks_needed(self._book.width)):
            try:
                released.append(
                    release_prototype(self._book, key, self._accountant, camera=self._camera, at_utc=at_utc)
                )
            except BudgetSpent:
                withheld += 1
        if self._file is not None:
            self._file.note(self._book)
        return released, withheld

    def keep(self) -> None:
        """Write the sums as of the last `release`; apart from it, since a disk is slow."""
        if self._file is not None:
            self._file.write()


def _is_near(before: Floats, now: Floats) -> bool:
    """Whether no side of a box (4,) has moved by more than a tenth of its shorter one."""
    old, new = before.tolist(), now.tolist()
    step = NEAR * min(new[2] - new[0], new[3] - new[1])
    return all(abs(a - b) <= step for a, b in zip(old, new, strict=True))
