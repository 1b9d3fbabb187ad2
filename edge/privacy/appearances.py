"""Which boxes of a camera belong to one appearance of an object: the unit that a prototype counts once.

Two boxes belong to one appearance if they belong to one track, or if they overlap and the later of them comes
while the place of the earlier is still held: `hold_s` seconds and at least `hold_frames` frames after its
last box. That includes boxes of other trackers, classes and models, and of other images in a series of
stills. Appearances that meet are merged for good, so two objects may count as one, but an object counts twice
only if it leaves all its places for longer than they are held, or moves to another without being tracked.
An appearance contributes one vector, and only when none of its places is held any more.
"""

import itertools
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.vision.detections import Floats, iou_matrix
from edge.vision.frames import SizeChange
from edge.vision.prototypes import PrototypeKey

_OVERLAP_IOU = 0.3
_SAME_PLACE_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Contribution:
    """What an appearance adds to the prototypes: one vector (d,) under one key, from so many detections."""

    key: PrototypeKey
    vector: Floats
    detections: int


class Appearances:
    """The appearances of one camera that are not over yet. Not thread-safe; times may be a little late."""

    def __init__(self, hold_s: float, hold_frames: int) -> None:
        self._hold_s, self._hold_frames = hold_s, hold_frames
        self._numbers = itertools.count(1)
        self._frames = 0
        self._boxes: Floats = np.zeros((0, 4), np.float32)
        self._last = np.zeros((0, 2))
        self._owners = np.zeros(0, np.int64)
        self._tracks: dict[Hashable, int] = {}
        self._contributions: dict[int, Contribution] = {}

    def advance(self, time_s: float) -> list[Contribution]:
        """A further frame; returns what the appearances contribute that are over with it."""
        self._frames += 1
        held = (time_s - self._last[:, 0] <= self._hold_s) | (
            self._frames - self._last[:, 1] <= self._hold_frames
        )
        if held.all():
            return []
        self._boxes, self._last, self._owners = self._boxes[held], self._last[held], self._owners[held]
        alive = set(self._owners.tolist())
        self._tracks = {track: number for track, number in self._tracks.items() if number in alive}
        over = [number for number in self._contributions if number not in alive]
        return [self._contributions.pop(number) for number in over]

    def at(self, xyxy: Floats, time_s: float, track: Hashable | None = None) -> int:
        """The number of the appearance that a box (4,) in pixels belongs to, as of now.

        `track` is the same for all boxes of one track, and no other tracker uses it.
        """
        overlap = iou_matrix(xyxy[None], self._boxes)[0]
        near = (overlap >= _OVERLAP_IOU) | _share_a_centre(xyxy, self._boxes)
        met = set(self._owners[near].tolist())
        if track in self._tracks:
            met.add(self._tracks[track])
        number = min(met) if met else next(self._numbers)
        for other in met - {number}:
            self._merge(other, number)
        if track is not None:
            self._tracks[track] = number
        here = (overlap >= _SAME_PLACE_IOU) & (self._owners == number)
        self._last[here] = np.maximum(self._last[here], (time_s, self._frames))
        if not here.any():
            self._boxes = np.concatenate([self._boxes, xyxy[None]])
            self._last = np.concatenate([self._last, [(time_s, self._frames)]])
            self._owners = np.append(self._owners, number)
        return number

    def contribute(self, number: int, contribution: Contribution) -> None:
        """Offer a vector for an appearance; the one of most detections counts, the earlier of equals."""
        before = self._contributions.get(number)
        if before is None or contribution.detections > before.detections:
            self._contributions[number] = contribution

    def resize(self, change: SizeChange) -> None:
        """The next frame has another size."""
        self._boxes = change.boxes(self._boxes)

    def _merge(self, number: int, into: int) -> None:
        self._owners[self._owners == number] = into
        self._tracks = {track: into if n == number else n for track, n in self._tracks.items()}
        moved = self._contributions.pop(number, None)
        if moved is not None:
            self.contribute(into, moved)


def _share_a_centre(xyxy: Floats, boxes: Floats) -> npt.NDArray[np.bool_]:
    """(n,) whether the centre of the box is inside each of the boxes (n, 4), or theirs inside it."""
    centre, centres = (xyxy[:2] + xyxy[2:]) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = (boxes[:, :2] <= centre).all(axis=1) & (centre <= boxes[:, 2:]).all(axis=1)
    around = (xyxy[:2] <= centres).all(axis=1) & (centres <= xyxy[2:]).all(axis=1)
    return np.asarray(inside | around)
