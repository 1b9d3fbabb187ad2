"""Detections -> Tracks: ByteTrack on numpy, in seconds and not in frames.

Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box" (ECCV 2022),
algorithm 1: boxes above their class's threshold are matched first, then the remaining tracks with the
weak boxes; only strong boxes start tracks. Matching never crosses classes, and the thresholds are
the bundle's own per class, so that a weak class is tracked too. Lost tracks keep a predicted box,
which evidence needs. A frame on which inference failed must not be passed here.
"""

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from edge.tracking.assignment import assign
from edge.tracking.kalman_box import BoxMotion
from edge.vision.detections import Detections, Floats, Ints, iou_matrix
from edge.vision.detector import thresholds_of
from edge.vision.frames import SizeChange
from messaging.releases import BundleDescription

Mask = npt.NDArray[np.bool_]

_FORBIDDEN = np.float32(1e6)


class TrackState(StrEnum):
    """State of a track: too few detections yet, confirmed, or confirmed and not detected now."""

    TENTATIVE = "tentative"
    CONFIRMED = "confirmed"
    LOST = "lost"


@dataclass(frozen=True)
class TrackerSettings:
    """When boxes become tracks.

    Attributes:
        lost_s: how long a confirmed track is kept without a detection.
        tentative_s: the same for a tentative one.
        confirm_hits: detections that confirm a track.
        low_ratio, low_floor: weak boxes are those above max(floor, ratio x the class's threshold).
        gate_strong, gate_weak, gate_tentative: least IoU of a match in the three rounds.
        history: points kept per track.
    """

    lost_s: float = 3.0
    tentative_s: float = 0.6
    confirm_hits: int = 3
    low_ratio: float = 0.4
    low_floor: float = 0.05
    gate_strong: float = 0.2
    gate_weak: float = 0.4
    gate_tentative: float = 0.3
    history: int = 32

    def __post_init__(self) -> None:
        if min(self.lost_s, self.tentative_s) <= 0 or min(self.confirm_hits, self.history) < 1:
            raise ValueError(f"tracker needs positive times, hits and history; got {self}")


# For cameras of which only some frames are processed, as by a teacher: the second detection may come late.
SPARSE_FRAMES = TrackerSettings(tentative_s=1.5)

# For stills: every box above its threshold is a track of its own, which ends with the next image.
SINGLE_IMAGE = TrackerSettings(
    lost_s=1e-6, tentative_s=1e-6, confirm_hits=1, gate_strong=2.0, gate_weak=2.0, gate_tentative=2.0
)


@dataclass(frozen=True, eq=False)
class TrackPoint:
    """One box of a track: time, place (xyxy pixels, (4,)), confidence, and the runner-up class's score.

    `missed_frames_before` counts the processed frames since the point before, in which the track was not
    detected;
    `strong`: the box is above its class's threshold.
    """

    time_s: float
    xyxy: Floats
    confidence: float
    runner_up: float
    strong: bool
    missed_frames_before: int


@dataclass(frozen=True, eq=False)
class Track:
    """Snapshot of one object over time.

    Attributes:
        id: positive, unique within one tracker.
        class_id: index into the bundle's class names.
        xyxy: (4,) float32 pixels; the detected box, or the predicted one while lost (may leave the frame).
        confidence: of the last detection.
        state: see `TrackState`.
        first_seen_s, last_seen_s: time of the first and the last detection.
        hits: detections, strong or weak; `strong_hits` those above the class's threshold.
        unseen: processed frames since the last detection.
        embedding: (d,) mean over the strong detections, None without any embedding.
        history: the last points, oldest first.
    """

    id: int
    class_id: int
    xyxy: Floats
    confidence: float
    state: TrackState
    first_seen_s: float
    last_seen_s: float
    hits: int
    strong_hits: int
    unseen: int
    embedding: Floats | None
    history: tuple[TrackPoint, ...]

    @property
    def age_s(self) -> float:
        """Seconds from first to last detection."""
        return self.last_seen_s - self.first_seen_s


@dataclass(frozen=True)
class TrackUpdate:
    """What one frame did: tracks seen on it, confirmed tracks not seen on it, and tracks given up."""

    time_s: float
    active: tuple[Track, ...]
    lost: tuple[Track, ...]
    ended: tuple[Track, ...]


def begins_tracks_again(before: BundleDescription, now: BundleDescription) -> bool:
    """Whether tracks cannot continue under another bundle: it has fewer classes, or other embeddings."""
    return len(now.class_names) < len(before.class_names) or now.embedding_digest != before.embedding_digest


class ByteTracker:
    """The tracker of one camera. Not thread-safe; one frame after the other, time only forward."""

    def __init__(self, description: BundleDescription, settings: TrackerSettings) -> None:
        self._settings = settings
        self._lost_s = settings.lost_s
        self._ids = itertools.count(1)
        self._tracks: list[_LiveTrack] = []
        self._time_s: float | None = None
        self.describe(description)

    def describe(self, description: BundleDescription) -> None:
        """Use the thresholds of another bundle from now on; tracks are kept, so it has their classes."""
        self._high = thresholds_of(description)
        low = np.maximum(self._high * self._settings.low_ratio, self._settings.low_floor)
        self._low = np.minimum(low, self._high).astype(np.float32)

    @property
    def floor(self) -> float:
        """Lowest confidence of the boxes that `update` needs from the detector."""
        return float(self._low.min())

    def update(self, detections: Detections, time_s: float) -> TrackUpdate:
        """Take one frame's boxes (those above `floor`) at `time_s` seconds.

        Raises:
            ValueError: `time_s` is before the time of the frame before.
        """
        if self._time_s is not None and time_s < self._time_s:
            raise ValueError(
                f"frame at {time_s:.3f} s comes after one at {self._time_s:.3f} s; sort them by time"
            )
        self._time_s = time_s
        for track in self._tracks:
            track.predict(time_s)
        strong = detections.confidence >= self._high[detections.class_id]
        weak = ~strong & (detections.confidence >= self._low[detections.class_id])
        self._associate(detections, strong, weak, time_s)
        return self._take_stock(time_s)

    def keep_lost(self, seconds: float) -> None:
        """How long a confirmed track is kept from now on without a detection, but never shorter than set."""
        self._lost_s = max(self._settings.lost_s, seconds)

    def resize(self, change: SizeChange) -> None:
        """The next frame has another size: carry the tracks over in fractions of the frame."""
        for track in self._tracks:
            track.resize(change)

    def end(self) -> tuple[Track, ...]:
        """End all tracks: the footage has ended, or the next image shows another scene."""
        ended = tuple(t.snapshot() for t in self._tracks)
        self._tracks = []
        return ended

    def _associate(self, detections: Detections, strong: Mask, weak: Mask, time_s: float) -> None:
        settings = self._settings
        believed = [t for t in self._tracks if t.state is not TrackState.TENTATIVE]
        tentative = [t for t in self._tracks if t.state is TrackState.TENTATIVE]
        strong_rows, weak_rows = np.flatnonzero(strong), np.flatnonzero(weak)
        left, strong_rows = self._match(believed, detections, strong_rows, settings.gate_strong)
        lost = [t for t in left if t.state is TrackState.LOST]
        # As in the paper, a weak box keeps a track alive but does not wake a lost one.
        seen = [t for t in left if t.state is not TrackState.LOST]
        left, weak_rows = self._match(seen, detections, weak_rows, settings.gate_weak)
        new, strong_rows = self._match(tentative, detections, strong_rows, settings.gate_tentative)
        new, _ = self._match(new, detections, weak_rows, settings.gate_weak)
        for track in itertools.chain(lost, left, new):
            track.miss()
        for row in strong_rows:
            self._tracks.append(_LiveTrack(next(self._ids), detections, int(row), time_s, settings))

    def _match(
        self, tracks: Sequence["_LiveTrack"], detections: Detections, rows: Ints, least_iou: float
    ) -> tuple[list["_LiveTrack"], Ints]:
        """Match and update; returns the tracks and the rows that are left over."""
        if not tracks or not len(rows):
            return list(tracks), rows
        boxes = np.asarray([t.motion.corners for t in tracks], np.float32)
        cost = 1 - iou_matrix(boxes, detections.xyxy[rows])
        classes = np.asarray([t.class_id for t in tracks])
        cost[classes[:, None] != detections.class_id[rows][None, :]] = _FORBIDDEN
        pairs = assign(cost, 1 - least_iou)
        for track_index, row_index in pairs:
            row = int(rows[row_index])
            track = tracks[track_index]
            track.see(detections, row, strong=bool(detections.confidence[row] >= self._high[track.class_id]))
        matched, taken = {i for i, _ in pairs}, {j for _, j in pairs}
        unmatched = [t for i, t in enumerate(tracks) if i not in matched]
        return unmatched, rows[[j for j in range(len(rows)) if j not in taken]]

    def _take_stock(self, time_s: float) -> TrackUpdate:
        kept, active, lost, ended = [], [], [], []
        for track in self._tracks:
            tentative = track.state is TrackState.TENTATIVE
            limit = self._settings.tentative_s if tentative else self._lost_s
            if track.unseen and time_s - track.last_seen_s > limit:
                ended.append(track.snapshot())
                continue
            kept.append(track)
            if not track.unseen:
                active.append(track.snapshot())
            elif track.state is TrackState.LOST:
                lost.append(track.snapshot())
        self._tracks = kept
        return TrackUpdate(time_s, tuple(active), tuple(lost), tuple(ended))


class _LiveTrack:
    """The tracker's own mutable record of one track."""

    def __init__(
        self, number: int, detections: Detections, row: int, time_s: float, settings: TrackerSettings
    ) -> None:
        self.id, self.class_id = number, int(detections.class_id[row])
        self.motion = BoxMotion.start(detections.xyxy[row])
        self.state = TrackState.TENTATIVE
        self.time_s = self.first_seen_s = self.last_seen_s = time_s
        self.hits = self.strong_hits = self.embedded = self.unseen = 0
        self.confirm_hits = settings.confirm_hits
        self.embedding_sum: Floats | None = None
        self.history: deque[TrackPoint] = deque(maxlen=settings.history)
        self._note(detections, row, strong=True)

    def predict(self, time_s: float) -> None:
        self.motion = self.motion.after(time_s - self.time_s)
        self.time_s = time_s

    def see(self, detections: Detections, row: int, *, strong: bool) -> None:
        if self.unseen and self.time_s - self.last_seen_s > 1.0:
            # After a long gap the old velocity is worth nothing; the new box is.
            self.motion = BoxMotion.start(detections.xyxy[row])
        else:
            self.motion = self.motion.corrected(detections.xyxy[row])
        self._note(detections, row, strong=strong)

    def resize(self, change: SizeChange) -> None:
        self.motion = self.motion.resized(change)
        for index, point in enumerate(self.history):
            self.history[index] = replace(point, xyxy=change.boxes(point.xyxy))

    def miss(self) -> None:
        self.unseen += 1
        if self.state is TrackState.CONFIRMED:
            self.state = TrackState.LOST

    def _note(self, detections: Detections, row: int, *, strong: bool) -> None:
        self.history.append(
            TrackPoint(
                self.time_s,
                detections.xyxy[row].copy(),
                float(detections.confidence[row]),
                float(detections.runner_up[row]),
                strong,
                self.unseen,
            )
        )
        self.hits, self.unseen, self.last_seen_s = self.hits + 1, 0, self.time_s
        if strong:
            self.strong_hits += 1
            if detections.embedding.shape[1]:
                vector = detections.embedding[row]
                self.embedded += 1
                before = self.embedding_sum
                self.embedding_sum = vector.copy() if before is None else before + vector
        if self.state is TrackState.LOST or self.hits >= self.confirm_hits:
            self.state = TrackState.CONFIRMED

    def snapshot(self) -> Track:
        mean = None if self.embedding_sum is None else (self.embedding_sum / self.embedded).astype(np.float32)
        last = self.history[-1]
        return Track(
            self.id,
            self.class_id,
            self.motion.xyxy if self.unseen else last.xyxy,
            last.confidence,
            self.state,
            self.first_seen_s,
            self.last_seen_s,
            self.hits,
            self.strong_hits,
            self.unseen,
            mean,
            tuple(self.history),
        )
