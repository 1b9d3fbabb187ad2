"""Tracks -> HazardEvents: persistence, zones, severity, cool-down, and hysteresis between open and closed.

The rules of each class are those of the bundle in service. An event belongs to a place, not to a track
number: a track that begins where an event of its class is open, or was closed recently, continues that event.
Opening needs confirmed detections over some time; closing needs a
longer time without any.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge.rounding import box_in_pixels, geometry_of
from edge.tracking.tracker import Track, TrackState, TrackUpdate
from edge.vision.conditions import FrameConditions, box_tags
from edge.vision.detections import Floats, iou
from edge.vision.frames import SizeChange
from edge.zones import Zone
from messaging.fields import Digest
from messaging.hazard_classes import HazardClass, HazardRule
from messaging.releases import BundleDescription
from messaging.reports import HazardEvent, HazardState

_SAME_PLACE_IOU = 0.2
_HIGHEST_SEVERITY = 5
_NO_TRACK = -1


@dataclass
class _Event:
    id: str
    class_id: int
    track: int
    xyxy: Floats
    first_area: float
    zone: str | None
    severity: int
    confidence: float
    started_utc: float
    seen_s: float
    reported_s: float
    closed_s: float | None = None
    place_known: bool = True


@dataclass(frozen=True)
class CameraView:
    """What the rules need of a frame beside its tracks: size in pixels, conditions, UTC seconds."""

    width: int
    height: int
    tags: FrameConditions
    at_utc: float


@dataclass
class HazardRules:
    """The hazard events of one camera. With zones, an object in none of them is no hazard.

    Attributes:
        camera: slug.
        description: the bundle whose class indices the tracks have, with the rule of each class.
        new_id: makes event ids (ULIDs).
        zones: polygons; none means the whole image.
        open_events: events that were open when the node ended; its first frame counts as a detection of them.
    """

    camera: str
    description: BundleDescription
    new_id: Callable[[], str]
    zones: tuple[Zone, ...] = ()
    open_events: Sequence[HazardEvent] = ()
    _events: list[_Event] = field(default_factory=list, init=False)
    _kinds: tuple[HazardClass, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        self._kinds = self.description.taxonomy.classes

    def follow(self, description: BundleDescription) -> None:
        """Use the rules of another bundle from now on; one of them has the other's classes first.

        Events of a class that it does not have end by the rule that they had.
        """
        self.description = description
        kinds = description.taxonomy.classes
        self._kinds = kinds + self._kinds[len(kinds) :]

    def observe(self, update: TrackUpdate, view: CameraView, model_digest: Digest) -> list[HazardEvent]:
        """Reports of the events that one frame opened, changed or closed."""
        reports = self._continue_open(update.time_s, view, model_digest)
        for track in update.active:
            if track.state is TrackState.CONFIRMED:
                reports += self._follow(track, update.time_s, view, model_digest)
        reports += self._close_ended(update.time_s, view, model_digest)
        return reports

    def resize(self, change: SizeChange) -> None:
        """The next frame has another size: carry the events over in fractions of the frame.

        In another shape (turned, cut) the place of an event is not known: the next track of its class that
        has no event at its own place continues it.
        """
        for event in self._events:
            event.xyxy = change.boxes(event.xyxy)
            event.first_area *= change.x * change.y
            event.place_known &= change.same_shape

    def close_all(self, time_s: float, view: CameraView, model_digest: Digest) -> list[HazardEvent]:
        """Close all open events: the footage has ended or the camera is lost."""
        still_open = [e for e in self._events if e.closed_s is None]
        for event in still_open:
            event.closed_s = time_s
        return [self._event_report(e, HazardState.CLOSED, view, model_digest) for e in still_open]

    def _continue_open(self, time_s: float, view: CameraView, digest: Digest) -> list[HazardEvent]:
        """Let tracks at their places continue these events; close those whose class the model lacks."""
        closed: list[HazardEvent] = []
        for before in self.open_events:
            if before.class_name not in self.description.class_names:
                ended = {"state": HazardState.CLOSED, "at_utc": int(view.at_utc), "model_digest": digest}
                closed.append(before.model_copy(update=ended))
                continue
            class_id = self.description.class_names.index(before.class_name)
            xyxy = box_in_pixels(before.box, view.width, view.height)
            self._events.append(
                _Event(
                    before.event,
                    class_id,
                    _NO_TRACK,
                    xyxy,
                    _area(xyxy),
                    before.zone,
                    before.severity,
                    before.confidence,
                    before.started_at_utc,
                    time_s,
                    time_s,
                )
            )
        self.open_events = ()
        return closed

    def _class(self, class_id: int) -> HazardClass:
        return self._kinds[class_id]

    def _rule(self, class_id: int) -> HazardRule:
        return self._class(class_id).rule

    def _follow(self, track: Track, time_s: float, view: CameraView, digest: Digest) -> list[HazardEvent]:
        event = self._event_of(track)
        if event is None:
            return self._open(track, time_s, view, digest)
        rule, event.place_known = self._rule(track.class_id), True
        if event.closed_s is not None:
            event.xyxy = track.xyxy
            return []
        event.track, event.xyxy, event.seen_s = track.id, track.xyxy, time_s
        event.confidence = max(event.confidence, track.confidence)
        severity = self._severity(track, event.first_area)
        worse = severity > event.severity
        event.severity = max(event.severity, severity)
        if not worse and time_s - event.reported_s < rule.update_s:
            return []
        event.reported_s = time_s
        return [self._event_report(event, HazardState.UPDATED, view, digest)]

    def _event_of(self, track: Track) -> _Event | None:
        """The event of this track, else one of its class at its place (open ones first), or without one."""
        same_class = [e for e in self._events if e.class_id == track.class_id]
        for event in same_class:
            if event.track == track.id:
                return event
        for event in sorted(same_class, key=lambda e: e.closed_s is not None):
            if iou(event.xyxy, track.xyxy) >= _SAME_PLACE_IOU:
                return event
        return next((e for e in same_class if e.closed_s is None and not e.place_known), None)

    def _open(self, track: Track, time_s: float, view: CameraView, digest: Digest) -> list[HazardEvent]:
        rule = self._rule(track.class_id)
        zone = self._zone_of(track, view, rule)
        outside = (bool(self.zones) or bool(rule.zones)) and zone is None
        if outside or track.age_s < rule.persistence_s or track.strong_hits < rule.hits:
            return []
        event = _Event(
            self.new_id(),
            track.class_id,
            track.id,
            track.xyxy,
            _area(track.xyxy),
            zone,
            self._severity(track, _area(track.xyxy)),
            track.confidence,
            view.at_utc - (time_s - track.first_seen_s),
            time_s,
            time_s,
        )
        self._events.append(event)
        return [self._event_report(event, HazardState.OPENED, view, digest)]

    def _close_ended(self, time_s: float, view: CameraView, digest: Digest) -> list[HazardEvent]:
        gone = [
            e
            for e in self._events
            if e.closed_s is None and time_s - e.seen_s > self._rule(e.class_id).gone_s
        ]
        for event in gone:
            event.closed_s = time_s
        self._events = [
            e
            for e in self._events
            if e.closed_s is None or time_s - e.closed_s <= self._rule(e.class_id).cool_down_s
        ]
        return [self._event_report(e, HazardState.CLOSED, view, digest) for e in gone]

    def _severity(self, track: Track, first_area: float) -> int:
        kind = self._class(track.class_id)
        grown = _area(track.xyxy) >= kind.rule.growth * first_area
        return min(kind.severity + grown, _HIGHEST_SEVERITY)

    def _zone_of(self, track: Track, view: CameraView, rule: HazardRule) -> str | None:
        x = float(track.xyxy[0] + track.xyxy[2]) / 2 / view.width
        y = min(float(track.xyxy[3]) / view.height, 1.0)
        counted = (z for z in self.zones if not rule.zones or z.name in rule.zones)
        return next((z.name for z in counted if z.holds(x, y)), None)

    def _event_report(
        self, event: _Event, state: HazardState, view: CameraView, digest: Digest
    ) -> HazardEvent:
        return HazardEvent(
            event=event.id,
            camera=self.camera,
            class_name=self._class(event.class_id).name,
            state=state,
            severity=event.severity,
            confidence=event.confidence,
            box=geometry_of(event.xyxy, view.width, view.height),
            tags=box_tags(view.tags, event.xyxy, view.width, view.height),
            zone=event.zone,
            started_at_utc=max(int(event.started_utc), 0),
            at_utc=int(view.at_utc),
            model_digest=digest,
        )


def _area(xyxy: Floats) -> float:
    return float(max(xyxy[2] - xyxy[0], 1) * max(xyxy[3] - xyxy[1], 1))
