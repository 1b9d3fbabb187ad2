"""Supported tracks x boxes of a model -> which tracks the model detected. Pure counting.

A track counts as detected by a model when the model's own boxes of its class match it (IoU at least 0.3)
in at least half of the frames from its first to its last detection by the source; where the source lost it in
between, its predicted box is used. Only confirmed tracks count, once each, when they have ended. Counts add
up to
`RecallTally`s.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge.tracking.tracker import Track, TrackState, TrackUpdate
from edge.vision.detections import Detections, iou_matrix
from edge.vision.detector import thresholds_of
from messaging.releases import BundleDescription
from messaging.reports import EvidenceSource, RecallTally
from messaging.taxonomy import Condition

Key = tuple[str, Condition]
_FrameMatches = tuple[Condition, tuple[bool, ...]]


@dataclass(frozen=True)
class MatchRule:
    """When a model's box is the track's, and when a track counts as detected."""

    iou: float = 0.3
    fraction: float = 0.5

    def detects(self, hits: int, frames: int) -> bool:
        """Whether a model whose boxes matched a track in `hits` of `frames` frames has detected it."""
        return hits >= self.fraction * frames


@dataclass(frozen=True)
class ClosedTrack:
    """A confirmed track that has ended.

    Attributes:
        class_id: index into the class names.
        condition: the condition of most of its frames.
        frames: frames from its first to its last detection by the source.
        hits: per model, frames in which the model's boxes matched it.
        rule: the rule by which it was counted.
    """

    class_id: int
    condition: Condition
    frames: int
    hits: tuple[int, ...]
    rule: MatchRule

    def detected(self, model: int = 0) -> bool:
        """Whether the model with this index detected the track."""
        return self.rule.detects(self.hits[model], self.frames)


@dataclass
class _OpenTrack:
    """Condition and matches of the frames up to the last detection, and of those after it."""

    known: list[_FrameMatches] = field(default_factory=list)
    since: list[_FrameMatches] = field(default_factory=list)


class RecallCounter:
    """The current tracks of one camera and one source, and those that have ended."""

    def __init__(self, models: int = 1, rule: MatchRule | None = None) -> None:
        """Args: how many models are thresholded against the source, and by which rule."""
        self._models = models
        self._rule = rule or MatchRule()
        self._open: defaultdict[int, _OpenTrack] = defaultdict(_OpenTrack)
        self._closed: list[ClosedTrack] = []

    def update(self, update: TrackUpdate, seen: Sequence[Detections], condition: Condition) -> None:
        """Count one frame that the source has processed.

        Args:
            update: result of the source's own tracker.
            seen: each model's boxes above its thresholds on the same frame, in a fixed order of models.
            condition: the frame's condition.
        """
        if len(seen) != self._models:
            raise ValueError(f"this counter compares {self._models} models; got boxes of {len(seen)}")
        for track in (*update.active, *update.lost):
            matches = tuple(_matches(track, boxes, self._rule.iou) for boxes in seen)
            self._open[track.id].since.append((condition, matches))
        for track in update.active:
            frames = self._open[track.id]
            frames.known, frames.since = [*frames.known, *frames.since], []
        self.close(update.ended)

    def close(self, tracks: Iterable[Track]) -> None:
        """Count tracks that the source's tracker has ended."""
        for track in tracks:
            counted = self._open.pop(track.id, None)
            if counted is not None and track.state is not TrackState.TENTATIVE:
                condition, _ = Counter(condition for condition, _ in counted.known).most_common(1)[0]
                hits = tuple(map(sum, zip(*(matches for _, matches in counted.known), strict=True)))
                self._closed.append(
                    ClosedTrack(track.class_id, condition, len(counted.known), hits, self._rule)
                )

    def missed(self, update: TrackUpdate) -> list[Track]:
        """Confirmed current tracks that the first model has not detected so far."""
        confirmed = [track for track in update.active if track.state is not TrackState.TENTATIVE]
        return [track for track in confirmed if not self._detected_so_far(track)]

    def _detected_so_far(self, track: Track) -> bool:
        known = self._open[track.id].known
        return self._rule.detects(sum(matches[0] for _, matches in known), len(known))

    def take(self) -> list[ClosedTrack]:
        """The tracks that ended since the last call."""
        closed, self._closed = self._closed, []
        return closed


def above_threshold(detections: Detections, description: BundleDescription) -> Detections:
    """The boxes above the bundle's threshold of their class."""
    limits = thresholds_of(description)
    return detections[detections.confidence >= limits[detections.class_id]]


def recall_tallies(
    closed: Iterable[ClosedTrack],
    class_names: Sequence[str],
    *,
    camera: str,
    model_digest: str,
    minute_utc: int,
    source: EvidenceSource = EvidenceSource.TEACHER,
) -> list[RecallTally]:
    """One tally per class and condition of tracks that have ended; `minute_utc` in whole minutes.

    `source` is teacher, shadow or operator; the model is the first of the counter's.
    """
    supported: Counter[Key] = Counter()
    detected: Counter[Key] = Counter()
    for track in closed:
        key = (class_names[track.class_id], track.condition)
        supported[key] += 1
        detected[key] += track.detected()
    return [
        RecallTally.model_validate(
            {
                "camera": camera,
                "class_name": name,
                "light": condition.light,
                "weather": condition.weather,
                "source": source,
                "model_digest": model_digest,
                "supported": count,
                "detected": detected[name, condition],
                "minute_utc": minute_utc,
            }
        )
        for (name, condition), count in sorted(supported.items())
    ]


def _matches(track: Track, boxes: Detections, least_iou: float) -> bool:
    same = boxes.xyxy[boxes.class_id == track.class_id]
    return bool(len(same)) and bool(iou_matrix(track.xyxy[None], same).max() >= least_iou)
