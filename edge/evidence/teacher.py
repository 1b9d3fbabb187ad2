"""The idle-time teacher before one camera: a bigger detector, its own tracks, and who of them is seen.

It is the strongest witness of what the detector in service misses. A single frame in which the two
disagree is no blind spot, so that its word on misses is about tracks: those that the detector has failed
to report in most frames so far, by the rule by which recall is counted when they are over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.camera.sources import Frame
from edge.evidence.recall_counter import ClosedTrack, RecallCounter, above_threshold
from edge.tracking.tracker import ONE_PICTURE, ByteTracker, Track, TrackerSettings
from edge.vision.detections import Detections
from edge.vision.detector import Detector
from messaging.releases import BundleDescription
from messaging.taxonomy import Condition


@dataclass(frozen=True, eq=False)
class TeacherOpinion:
    """What the teacher made of one frame, in its pixels and in the service bundle's class indices.

    Attributes:
        heard: its boxes, weak ones too: what a tracker goes on with.
        sure: those above its own thresholds.
        missed: its tracks in sight that the detector has missed so far; None for stills, where a picture
            is all there is.
    """

    heard: Detections
    sure: Detections
    missed: tuple[Track, ...] | None


class Teacher:
    """Not thread-safe; one frame after the other."""

    def __init__(self, detector: Detector, service: BundleDescription, tracking: TrackerSettings) -> None:
        """Args: the bigger detector, the bundle in service, and how to track (`ONE_PICTURE`: stills)."""
        self._detector, self._service = detector, service
        self._limits = heard_of(detector.description, service)
        self._tracker = ByteTracker(self._limits, tracking)
        self._recall = RecallCounter()
        self._stills = tracking is ONE_PICTURE

    def follow(self, service: BundleDescription) -> None:
        """Another bundle serves: tracks and counts begin anew, numbers of tracks go on."""
        self._service = service
        self._limits = heard_of(self._detector.description, service)
        self._tracker.end()
        self._tracker.describe(self._limits)
        self._recall = RecallCounter()

    def look(self, frame: Frame, found: Detections, condition: Condition) -> TeacherOpinion:
        """Look at a frame of which the detector in service `found` something. Raises `DetectorError`."""
        seen = self._detector.detect([frame.image], floor=self._tracker.floor)[0]
        heard = translated(seen, self._detector.description, self._service)
        update = self._tracker.update(heard, frame.time_s)
        self._recall.look(update, [above_threshold(found, self._service)], condition)
        missed = None if self._stills else tuple(self._recall.missed(update))
        return TeacherOpinion(heard, above_threshold(heard, self._limits), missed)

    def end(self) -> None:
        """The footage is over, and with it every track."""
        self._recall.close(self._tracker.end())

    def take(self) -> Sequence[ClosedTrack]:
        """Its tracks that are over since the last call, and whether the detector saw them."""
        return self._recall.take()


def translated(seen: Detections, spoken: BundleDescription, heard: BundleDescription) -> Detections:
    """Boxes of a detector with other classes or another order of them; classes unknown here are left out."""
    if spoken.class_names == heard.class_names:
        return seen
    index = np.asarray(
        [heard.class_names.index(n) if n in heard.class_names else -1 for n in spoken.class_names]
    )
    known = seen[index[seen.class_id] >= 0]
    return Detections(known.xyxy, known.confidence, index[known.class_id], known.runner_up, known.embedding)


def heard_of(spoken: BundleDescription, heard: BundleDescription) -> BundleDescription:
    """`heard` with the thresholds of the detector whose boxes were translated; 1 for classes it lacks."""
    thresholds = {name: spoken.thresholds.get(name, 1.0) for name in heard.class_names}
    return heard.model_copy(update={"thresholds": thresholds})
