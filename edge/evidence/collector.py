"""Evidence that the detector erred: from the sources' suspicions to one `Misdetection` a place and kind.

`EvidenceCollector` asks every source that can speak about a frame, drops what is a repetition in time and
place, and states with each report how often its source was right in measurement. A second opinion that
could not be had (`DetectorError`, no time) is None here and proves nothing. It keeps one frame back,
because a gap in a track shows only when it is over; no image goes further than this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.camera.motion_filter import MotionReading
from edge.camera.sources import Frame
from edge.evidence.sources import (
    EvidenceRules,
    Judged,
    Suspicion,
    lies_still,
    low_margins,
    low_margins_of_still,
    teacher_disagreements,
    track_gaps,
    unexplained_motion,
    view_disagreements,
    weakened,
)
from edge.evidence.teacher import TeacherOpinion
from edge.privacy.accountant import geometry_of, minute_of
from edge.tracking.tracker import ByteTracker, TrackerSettings, TrackUpdate
from edge.vision.conditions import FrameConditions, box_tags
from edge.vision.detections import Detections, Floats, iou_matrix
from edge.vision.detector import thresholds_of
from messaging.releases import BundleDescription, Digest
from messaging.reports import ErrorKind, EvidenceSource, Misdetection
from messaging.taxonomy import UNKNOWN_CLASS

EDGE_SOURCES = frozenset(
    {
        EvidenceSource.TRACK_GAP,
        EvidenceSource.VIEW_DISAGREEMENT,
        EvidenceSource.TEACHER,
        EvidenceSource.MOTION,
        EvidenceSource.LOW_MARGIN,
    }
)
WEAK_TRACKS = TrackerSettings(lost_s=1.0, confirm_hits=3, low_ratio=0.8)

# Precision on drawn footage of world REFERENCE under the shipped starting detector (10 cameras, 5 conditions,
# 1,000 frames, 91 hazards of which 28 were missed; `python -m tests.edge.measure_evidence`): track gap 18 of
# 40, views 47 of 91 and 15 of 18, motion 13 of 43, low margin 14 of 46. The teacher's are not measured as
# evidence yet: missed and wrong class from its own precision, the others by caution.
PROBABILITY: Mapping[tuple[EvidenceSource, ErrorKind], float] = {
    (EvidenceSource.TRACK_GAP, ErrorKind.MISSED): 0.45,
    (EvidenceSource.VIEW_DISAGREEMENT, ErrorKind.MISSED): 0.52,
    (EvidenceSource.VIEW_DISAGREEMENT, ErrorKind.FALSE_ALARM): 0.83,
    (EvidenceSource.TEACHER, ErrorKind.MISSED): 0.8,
    (EvidenceSource.TEACHER, ErrorKind.FALSE_ALARM): 0.5,
    (EvidenceSource.TEACHER, ErrorKind.WRONG_CLASS): 0.6,
    (EvidenceSource.TEACHER, ErrorKind.POOR_BOX): 0.5,
    (EvidenceSource.MOTION, ErrorKind.MISSED): 0.3,
    (EvidenceSource.LOW_MARGIN, ErrorKind.MISSED): 0.3,
    (EvidenceSource.LOW_MARGIN, ErrorKind.WRONG_CLASS): 0.2,
}
# A miss suspected where nothing changed lately was right less than half as often (0.2 against 0.5).
STILL_PLACE = 0.4
# Whose track numbers a source's evidence carries; the service tracker's otherwise.
_TRACKERS = {EvidenceSource.LOW_MARGIN: "weak", EvidenceSource.TEACHER: "taught"}


class Embed(Protocol):
    """How a miss gets its vector: `Detector.embed`."""

    def __call__(self, image: npt.NDArray[np.uint8], xyxy: Floats) -> Floats:
        """Embeddings (n, d) at boxes (n, 4) in pixels of an image."""


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame, and what the detector in service and its tracker made of it.

    Attributes:
        frame: the picture and its times.
        tags: condition of the frame.
        detections: the service detector's boxes above `EvidenceCollector.floor`.
        model_digest: of the detector in service.
        update: the tracker's word; None for a still, whose neighbours in time mean nothing.
        motion: None for a still, or when not watched.
    """

    frame: Frame
    tags: FrameConditions
    detections: Detections
    model_digest: Digest
    update: TrackUpdate | None = None
    motion: MotionReading | None = None


@dataclass(frozen=True)
class SecondOpinions:
    """What else was seen on the frame, in its pixels and in the service bundle's class indices.

    None: not asked, or asked and could not look. `views` come from `edge.evidence.second_views.look_again`.
    """

    views: tuple[Detections, ...] | None = None
    teacher: TeacherOpinion | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """One accepted piece of evidence; stays at the edge, only `report` may leave.

    Attributes:
        report: the misdetection.
        track_key: what it hangs on: the same object has the same key, prototypes count it once.
        embedding: (d,) pooled at the evidence box on the frame it lies on, None without an `embed`.
        xyxy: (4,) pixels, inside the frame.
    """

    report: Misdetection
    track_key: str
    embedding: Floats | None
    xyxy: Floats


@dataclass(frozen=True)
class Repetition:
    """When evidence is a repetition: same kind and class at a place that was reported lately.

    A place that keeps giving evidence stays reported; it rests `cool_down_s` after the last evidence, and
    is told anew after `at_most_s` in any case.
    """

    cool_down_s: float = 20.0
    at_most_s: float = 600.0
    same_iou: float = 0.3


@dataclass
class _Place:
    kind: ErrorKind
    class_id: int | None
    xyxy: Floats
    told_s: float
    last_s: float


@dataclass
class EvidenceCollector:
    """All evidence of one camera. Not thread-safe; one frame after the other.

    Attributes:
        camera: slug.
        description: the bundle in service; `describe` after a swap.
        rules: numbers of the sources.
        repetition: when evidence is a repetition.
        sources: the sources that may speak.
    """

    camera: str
    description: BundleDescription
    rules: EvidenceRules = field(default_factory=EvidenceRules)
    repetition: Repetition = field(default_factory=Repetition)
    sources: frozenset[EvidenceSource] = EDGE_SOURCES

    def __post_init__(self) -> None:
        self._weak_tracker = ByteTracker(weakened(self.description, self.rules), WEAK_TRACKS)
        self._places: list[_Place] = []
        self._before: tuple[Frame, Judged] | None = None
        self._known: list[tuple[float, Floats]] = []
        self._changed: list[tuple[float, Floats]] = []

    @property
    def floor(self) -> float:
        """Lowest confidence that evidence has a use for: what to ask of the detector."""
        return float(thresholds_of(self.description).min()) * self.rules.weak_ratio

    def describe(self, description: BundleDescription) -> None:
        """Another bundle of the same classes is in service; what was reported of the old one is forgotten."""
        self.description = description
        self._weak_tracker.describe(weakened(description, self.rules))
        self._places.clear()

    def observe(
        self, moment: Moment, opinions: SecondOpinions | None = None, *, embed: Embed | None = None
    ) -> list[Evidence]:
        """Evidence of one frame, repetitions left out.

        Raises:
            DetectorError: `embed` could not look; nothing of the frame is reported, nor remembered as told.
        """
        judged = Judged.of(moment.detections, self.description)
        suspicions = [*self._from_opinions(judged, opinions or SecondOpinions())]
        if moment.update is None:
            self._places.clear()
            suspicions += self._if_wanted(low_margins_of_still(judged, self.rules))
        else:
            suspicions += self._over_time(moment, moment.update, judged)
        fresh = self._fresh(suspicions, moment)
        evidence = self._report(fresh, moment, embed)
        for suspicion in fresh:
            self._remember(suspicion, moment.frame.time_s)
        self._before = moment.frame, judged
        return evidence

    def could_not_look(self) -> None:
        """The detector failed on a frame: the frame before the next one is not the one kept."""
        self._before = None

    def _from_opinions(self, judged: Judged, opinions: SecondOpinions) -> list[Suspicion]:
        found: list[Suspicion] = []
        if opinions.teacher is not None:
            found += teacher_disagreements(judged, opinions.teacher, self.rules)
        if opinions.views is not None:
            found += view_disagreements(judged, opinions.views, self.rules)
        return self._if_wanted(found)

    def _over_time(self, moment: Moment, update: TrackUpdate, judged: Judged) -> list[Suspicion]:
        found: list[Suspicion] = []
        if self._before is not None:
            frame, before = self._before
            found += track_gaps(update, before, frame.time_s, self.rules)
        now_s = moment.frame.time_s
        weak = self._weak_tracker.update(moment.detections, now_s)
        found += low_margins(weak, judged, self.rules)
        self._known = [(t, b) for t, b in self._known if now_s - t <= self.rules.known_s]
        if len(judged.reported):
            self._known.append((now_s, judged.reported.xyxy))
        if moment.motion is not None:
            self._changed = [(t, b) for t, b in self._changed if now_s - t <= self.rules.changed_s]
            self._changed.append((now_s, np.concatenate([moment.motion.moving, moment.motion.new_static])))
            tracked = [t.xyxy[None] for t in (*update.active, *update.lost, *weak.active)]
            known = np.concatenate([np.zeros((0, 4), np.float32), *tracked, *(b for _, b in self._known)])
            found += unexplained_motion(moment.motion, judged, known, self.rules)
        return self._if_wanted(found)

    def _if_wanted(self, found: list[Suspicion]) -> list[Suspicion]:
        return [s for s in found if s.source in self.sources]

    def _fresh(self, suspicions: list[Suspicion], moment: Moment) -> list[Suspicion]:
        """One suspicion a place and kind, that of the source most often right; and not told lately."""
        now_s, fresh = moment.frame.time_s, list[Suspicion]()
        self._places = [p for p in self._places if now_s - p.last_s <= self.repetition.cool_down_s]
        for suspicion in sorted(suspicions, key=lambda s: -PROBABILITY[s.source, s.kind]):
            told = [p for p in self._places if self._is_told(suspicion, p.kind, p.class_id, p.xyxy)]
            for place in told:
                place.last_s, place.xyxy = now_s, suspicion.xyxy
            again = not told or any(now_s - p.told_s > self.repetition.at_most_s for p in told)
            if again and not any(self._is_told(suspicion, f.kind, f.class_id, f.xyxy) for f in fresh):
                fresh.append(suspicion)
        return fresh

    def _is_told(self, new: Suspicion, kind: ErrorKind, class_id: int | None, xyxy: Floats) -> bool:
        """Same kind and place; a class of its own is news, an unknown class is not."""
        known = new.class_id is None or new.class_id == class_id
        near = iou_matrix(new.xyxy[None], xyxy[None])[0, 0] >= self.repetition.same_iou
        return new.kind is kind and known and (bool(near) or _contains(xyxy, new.xyxy))

    def _remember(self, suspicion: Suspicion, now_s: float) -> None:
        self._places = [p for p in self._places if not self._is_told(suspicion, p.kind, p.class_id, p.xyxy)]
        self._places.append(_Place(suspicion.kind, suspicion.class_id, suspicion.xyxy, now_s, now_s))

    def _report(self, fresh: list[Suspicion], moment: Moment, embed: Embed | None) -> list[Evidence]:
        if not fresh:
            return []
        height, width = moment.frame.image.shape[:2]
        limit = np.asarray([width, height, width, height], np.float32)
        boxes = [np.clip(s.xyxy, 0, limit).astype(np.float32) for s in fresh]
        vectors = [None] * len(fresh) if embed is None else self._embedded(fresh, boxes, moment, embed)
        return [
            Evidence(self._misdetection(s, box, moment, width, height), self._key(s, moment), vector, box)
            for s, box, vector in zip(fresh, boxes, vectors, strict=True)
        ]

    def _embedded(
        self, fresh: list[Suspicion], boxes: list[Floats], moment: Moment, embed: Embed
    ) -> list[Floats | None]:
        """One look at each of the two frames at most."""
        vectors: list[Floats | None] = [None] * len(fresh)
        frames = {False: moment.frame} | ({} if self._before is None else {True: self._before[0]})
        for in_frame_before, frame in frames.items():
            rows = [i for i, s in enumerate(fresh) if s.in_frame_before is in_frame_before]
            if rows:
                pooled = embed(frame.image, np.stack([boxes[i] for i in rows]))
                for i, vector in zip(rows, pooled, strict=True):
                    vectors[i] = vector
        return vectors

    def _misdetection(
        self, suspicion: Suspicion, box: Floats, moment: Moment, width: int, height: int
    ) -> Misdetection:
        names = self.description.class_names
        return Misdetection(
            camera=self.camera,
            kind=suspicion.kind,
            class_name=UNKNOWN_CLASS if suspicion.class_id is None else names[suspicion.class_id],
            tags=box_tags(moment.tags, box, width, height),
            box=geometry_of(box, width, height),
            evidence=suspicion.source,
            probability=self._probability(suspicion, box, moment),
            minute_utc=minute_of(moment.frame.captured_at_utc),
            model_digest=moment.model_digest,
        )

    def _probability(self, suspicion: Suspicion, box: Floats, moment: Moment) -> float:
        """How often such reports are right; of misses less where nothing changed lately."""
        usual = PROBABILITY[suspicion.source, suspicion.kind]
        if suspicion.kind is not ErrorKind.MISSED or moment.motion is None:
            return usual
        changed = np.concatenate([b for _, b in self._changed])
        return usual * STILL_PLACE if lies_still(box, changed) else usual

    def _key(self, suspicion: Suspicion, moment: Moment) -> str:
        """A track's own number, else the frame and the place: unique enough to count an object once."""
        if suspicion.track is not None:
            return track_key(suspicion.track, suspicion.source)
        where = "-".join(str(int(v)) for v in suspicion.xyxy)
        return f"{suspicion.source}-{moment.frame.index}-{where}"


def track_key(number: int, source: EvidenceSource = EvidenceSource.TRACK_GAP) -> str:
    """Key of a track: of the tracker of weak boxes, of the teacher's, or else of the service tracker."""
    return f"{_TRACKERS.get(source, 'track')}-{number}"


def _contains(outer: Floats, inner: Floats) -> bool:
    """Whether the centre of one box lies in the other."""
    x, y = float(inner[0] + inner[2]) / 2, float(inner[1] + inner[3]) / 2
    return bool(outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3])
