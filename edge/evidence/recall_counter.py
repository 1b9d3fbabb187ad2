"""Supported tracks x boxes of a model -> which tracks the model detected. Pure counting.

A track counts as detected by a model when the model's own boxes of its class match it (IoU at least 0.3)
in at least half of the frames from its first to its last detection by the source; where the source lost it in
between, its predicted box is used. Frames count with their weights, the inverse of the probability with which
the source was given them. Only confirmed tracks count, once each, when they have ended. Counts add up to
`RecallTally`s.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from edge.tracking.tracker import Track, TrackState, TrackUpdate
from edge.vision.detections import Detections, iou_matrix
from edge.vision.detector import thresholds_of
from messaging.releases import BundleDescription
from messaging.reports import EvidenceSource, RecallTally
from messaging.taxonomy import Condition

Key = tuple[str, Condition]
_FrameMatches = tuple[Condition, tuple[bool, ...], float]
Inclusion = Callable[[float, float], float]


@dataclass(frozen=True)
class MatchRule:
    """When a model's box is the track's, and when a track counts as detected."""

    iou: float = 0.3
    fraction: float = 0.5

    def detects(self, hits: float, frames: float) -> bool:
        """Whether a model whose boxes matched a track in `hits` of `frames` (weighted) has detected it."""
        return hits >= self.fraction * frames


@dataclass(frozen=True)
class ClosedTrack:
    """A confirmed track that has ended.

    Attributes:
        class_id: index into the class names.
        condition: the condition of most of its frames.
        frames: sum of the weights of the frames from its first to its last detection by the source.
        hits: per model, number of frames in which the model's boxes matched it.
        matched: per model, sum of the weights of those frames.
        rule: the rule by which it was counted.
        weight: the inverse of the probability that the source confirmed it.
    """

    class_id: int
    condition: Condition
    frames: float
    hits: tuple[int, ...]
    matched: tuple[float, ...]
    rule: MatchRule
    weight: float = 1.0

    def detected(self, model: int = 0) -> bool:
        """Whether the model with this index detected the track."""
        return self.rule.detects(self.matched[model], self.frames)


@dataclass
class _OpenTrack:
    """Condition and matches of the frames up to the last detection, and of those after it."""

    known: list[_FrameMatches] = field(default_factory=list)
    since: list[_FrameMatches] = field(default_factory=list)


class RecallCounter:
    """The current tracks of one camera and one source, and those that have ended."""

    def __init__(
        self,
        models: int = 1,
        rule: MatchRule | None = None,
        inclusion: Inclusion = lambda first_s, last_s: 1.0,
    ) -> None:
        """Begin without tracks.

        Args:
            models: how many models are thresholded against the source.
            rule: when a track counts as detected.
            inclusion: the probability that the source confirms a track with this first and last detection.
        """
        self._inclusion = inclusion
        self._models = models
        self._rule = rule or MatchRule()
        self._open: defaultdict[int, _OpenTrack] = defaultdict(_OpenTrack)
        self._closed: list[ClosedTrack] = []

    def update(
        self, update: TrackUpdate, seen: Sequence[Detections], condition: Condition, weight: float = 1.0
    ) -> None:
        """Count one frame that the source has processed.

        Args:
            update: result of the source's own tracker.
            seen: each model's boxes above its thresholds on the same frame, in a fixed order of models.
            condition: the frame's condition.
            weight: the inverse of the probability with which the source was given the frame.
        """
        if len(seen) != self._models:
            raise ValueError(f"this counter compares {self._models} models; got boxes of {len(seen)}")
        for track in (*update.active, *update.lost):
            matches = tuple(_matches(track, boxes, self._rule.iou) for boxes in seen)
            self._open[track.id].since.append((condition, matches, weight))
        for track in update.active:
            frames = self._open[track.id]
            frames.known += frames.since
            frames.since = []
        self.close(update.ended)

    def close(self, tracks: Iterable[Track]) -> None:
        """Count tracks that the source's tracker has ended."""
        for track in tracks:
            counted = self._open.pop(track.id, None)
            if counted is not None and track.state is not TrackState.TENTATIVE:
                self._closed.append(self._counted(track, counted.known))

    def _counted(self, track: Track, known: Sequence[_FrameMatches]) -> ClosedTrack:
        models = range(self._models)
        return ClosedTrack(
            track.class_id,
            Counter(condition for condition, _, _ in known).most_common(1)[0][0],
            sum(weight for _, _, weight in known),
            tuple(sum(matches[model] for _, matches, _ in known) for model in models),
            tuple(sum(w for _, matches, w in known if matches[model]) for model in models),
            self._rule,
            1.0 / self._inclusion(track.first_seen_s, track.last_seen_s),
        )

    def missed(self, update: TrackUpdate) -> list[Track]:
        """Confirmed current tracks that the first model has not detected so far."""
        confirmed = [track for track in update.active if track.state is not TrackState.TENTATIVE]
        return [track for track in confirmed if not self._detected_so_far(track)]

    def _detected_so_far(self, track: Track) -> bool:
        known = self._open[track.id].known
        return self._rule.detects(sum(w for _, m, w in known if m[0]), sum(w for _, _, w in known))

    def take(self, least: int = 1) -> list[ClosedTrack]:
        """The tracks that ended since they were last taken, of each class and condition with so many."""
        counts = Counter((track.class_id, track.condition) for track in self._closed)
        enough = [counts[track.class_id, track.condition] >= least for track in self._closed]
        taken = list(itertools.compress(self._closed, enough))
        self._closed = [track for track, one in zip(self._closed, enough, strict=True) if not one]
        return taken


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
    groups: defaultdict[Key, list[ClosedTrack]] = defaultdict(list)
    for track in closed:
        groups[class_names[track.class_id], track.condition].append(track)
    return [
        RecallTally.model_validate(
            {
                "camera": camera,
                "class_name": name,
                "light": condition.light,
                "weather": condition.weather,
                "source": source,
                "model_digest": model_digest,
                "supported": len(tracks),
                "detected": sum(track.detected() for track in tracks),
                "supported_weight": sum(track.weight for track in tracks),
                "detected_weight": sum(track.weight for track in tracks if track.detected()),
                "squared_weight": sum(track.weight**2 for track in tracks),
                "minute_utc": minute_utc,
            }
        )
        for (name, condition), tracks in sorted(groups.items(), key=lambda group: group[0])
    ]


def _matches(track: Track, boxes: Detections, least_iou: float) -> bool:
    same = boxes.xyxy[boxes.class_id == track.class_id]
    return bool(len(same)) and bool(iou_matrix(track.xyxy[None], same).max() >= least_iou)
