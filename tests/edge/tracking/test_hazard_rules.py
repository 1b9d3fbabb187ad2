import itertools

import numpy as np
import pytest

from edge.tracking.hazard_rules import CameraView, HazardRules
from edge.tracking.tracker import ByteTracker, TrackerSettings
from edge.vision.conditions import FrameConditions
from edge.vision.detections import Detections
from edge.zones import Zone
from messaging.hazard_classes import HazardClass, HazardRule
from messaging.releases import BundleDescription
from messaging.reports import HazardEvent, HazardState
from messaging.taxonomy import DEFAULT_TAXONOMY, Light, Weather, taxonomy_of
from tests.support.edge.model_bundles import describe

BOX = (100.0, 100.0, 160.0, 180.0)
FAR = (400.0, 100.0, 460.0, 180.0)
RULE = HazardRule(persistence_s=1.0, hits=3, gone_s=2.0, cool_down_s=10.0, update_s=5.0)
START_UTC = 1_800_000_000.0


def _with_rule(name: str, rule: HazardRule) -> BundleDescription:
    """The shipped classes, one of them with another rule."""
    kinds = [c.model_copy(update={"rule": rule}) if c.name == name else c for c in DEFAULT_TAXONOMY.classes]
    return describe(classes=tuple(kinds))


class Street:
    """Tracks and rules of one camera at 5 frames per second; `show` runs some seconds with these boxes."""

    def __init__(self, rule: HazardRule = RULE, *zones: Zone, class_name: str = "fire") -> None:
        numbers = itertools.count()
        bundle = _with_rule(class_name, rule)
        self.class_id = bundle.class_names.index(class_name)
        self.tracker = ByteTracker(bundle, TrackerSettings(lost_s=1.0))
        self.rules = HazardRules("cam", bundle, lambda: f"{next(numbers):026d}", zones)
        self.frame = 0

    def show(self, seconds: float, *boxes: tuple[float, ...]) -> list[HazardEvent]:
        reported = []
        for _ in range(round(5 * seconds)):
            time_s = self.frame / 5
            found = Detections.of(boxes, [0.8] * len(boxes), [self.class_id] * len(boxes))
            reported += self.rules.observe(self.tracker.update(found, time_s), self.view(time_s), "d" * 64)
            self.frame += 1
        return reported

    def view(self, time_s: float) -> CameraView:
        return CameraView(640, 360, FrameConditions(Light.NIGHT, Weather.RAIN), START_UTC + time_s)


def states(events: list[HazardEvent]) -> list[HazardState]:
    return [e.state for e in events]


def test_a_hazard_opens_after_its_persistence_and_closes_after_its_absence() -> None:
    street = Street()
    opened = street.show(3, BOX)
    closed = street.show(4)
    assert states(opened) == [HazardState.OPENED]
    assert states(closed) == [HazardState.CLOSED]
    assert opened[0].event == closed[0].event == f"{0:026d}"
    assert opened[0].started_at_utc == START_UTC
    assert opened[0].at_utc == START_UTC + 1
    assert (opened[0].class_name, opened[0].severity, opened[0].confidence) == ("fire", 5, 0.8)
    assert (opened[0].tags.light, opened[0].tags.weather) == (Light.NIGHT, Weather.RAIN)
    assert (opened[0].box.cx, opened[0].box.w) == (0.2, 0.09)


@pytest.mark.parametrize("seconds", [0.4, 0.8])
def test_a_flash_is_no_hazard(seconds: float) -> None:
    street = Street()
    assert street.show(seconds, BOX) + street.show(5) == []


def test_a_short_gap_neither_closes_nor_opens_again() -> None:
    street = Street()
    reported = street.show(3, BOX) + street.show(1.4) + street.show(3, BOX)
    assert states(reported) == [HazardState.OPENED, HazardState.UPDATED]
    assert len({e.event for e in reported}) == 1


def test_an_open_hazard_is_reported_again_at_its_interval() -> None:
    assert states(Street().show(13, BOX)) == [HazardState.OPENED, HazardState.UPDATED, HazardState.UPDATED]


def test_at_the_place_of_a_closed_hazard_none_opens_within_the_cool_down() -> None:
    street = Street()
    street.show(3, BOX)
    street.show(4)
    assert street.show(4, BOX) == []
    street.show(12)
    assert states(street.show(3, BOX)) == [HazardState.OPENED]


def test_a_hazard_that_outlasts_the_cool_down_is_opened_as_another_event() -> None:
    street = Street()
    first = street.show(3, BOX)
    closed = street.show(3)
    assert states(closed) == [HazardState.CLOSED]
    reported = street.show(12, BOX)
    assert states(reported) == [HazardState.OPENED]
    assert reported[0].event != first[0].event
    cooled_utc = closed[0].at_utc + RULE.cool_down_s
    assert cooled_utc <= reported[0].at_utc <= cooled_utc + 1


def test_a_hazard_that_comes_and_goes_is_opened_once_in_a_cool_down() -> None:
    street = Street()
    reported = [e for _ in range(6) for e in (*street.show(3, BOX), *street.show(3))]
    assert states(reported) == [HazardState.OPENED, HazardState.CLOSED] * 2


def test_at_another_place_a_hazard_opens_within_the_cool_down() -> None:
    street = Street()
    street.show(3, BOX)
    street.show(4)
    assert states(street.show(3, FAR)) == [HazardState.OPENED]


def test_two_hazards_are_two_events() -> None:
    reported = Street().show(3, BOX, FAR)
    assert len({e.event for e in reported}) == 2


def test_a_hazard_that_grows_becomes_more_severe_once() -> None:
    street = Street(class_name="garbage")
    street.show(2, BOX)
    sizes = [(100.0 - 4 * i, 100.0 - 4 * i, 160.0 + 4 * i, 180.0 + 4 * i) for i in range(1, 12)]
    grown = [e for box in sizes for e in street.show(0.4, box)]
    assert [e.severity for e in grown] == [2]


@pytest.mark.parametrize(
    ("corners", "zone"),
    [(((0, 0), (0.5, 0), (0.5, 1), (0, 1)), "road"), (((0.5, 0), (1, 0), (1, 1), (0.5, 1)), None)],
    ids=["inside", "outside"],
)
def test_with_zones_only_a_track_inside_one_is_a_hazard(
    corners: tuple[tuple[float, float], ...], zone: str | None
) -> None:
    reported = Street(RULE, Zone("road", corners)).show(3, BOX)
    assert [e.zone for e in reported] == ([zone] if zone else [])


def test_the_end_of_the_footage_closes_what_is_open() -> None:
    street = Street()
    street.show(3, BOX)
    closed = street.rules.close_all(3.0, street.view(3.0), "d" * 64)
    assert states(closed) == [HazardState.CLOSED]
    assert street.rules.close_all(3.0, street.view(3.0), "d" * 64) == []


def test_a_class_may_count_in_some_zones_only() -> None:
    left = Zone("left", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
    right = Zone("right", ((0.5, 0), (1, 0), (1, 1), (0.5, 1)))
    only_right = RULE.model_copy(update={"zones": ("right",)})
    street = Street(only_right, left, right)
    opened = street.show(3, BOX, FAR)
    assert [(e.state, e.zone) for e in opened] == [(HazardState.OPENED, "right")]
    assert Street(only_right).show(3, BOX, FAR) == [], "a camera without the zone has no such hazard"


def test_events_go_on_by_the_rules_of_the_next_bundle_and_end_by_theirs_if_it_lacks_the_class() -> None:
    longer = (*DEFAULT_TAXONOMY.classes, HazardClass(name="bonfire", severity=2, words=("a bonfire",)))
    names = tuple(c.name for c in longer)
    digest = taxonomy_of(names).digest
    with_bonfire = describe(classes=longer, class_names=names, taxonomy_digest=digest)
    street = Street()
    street.show(3, BOX)
    street.rules.follow(with_bonfire)
    street.tracker.describe(with_bonfire)
    assert street.show(1, BOX) == [], "the fire goes on"
    street.class_id = len(names) - 1
    (bonfire,) = street.show(3, BOX, FAR)[-1:]
    assert (bonfire.class_name, bonfire.severity) == ("bonfire", 2)
    street.rules.follow(describe())
    street.tracker.end()
    street.tracker.describe(describe())
    ended = street.show(20)
    assert {e.class_name for e in ended if e.state is HazardState.CLOSED} >= {"bonfire"}


def test_a_zone_needs_three_corners_inside_the_frame() -> None:
    with pytest.raises(ValueError, match="three corners"):
        Zone("road", ((0, 0), (1, 1)))
    with pytest.raises(ValueError, match="three corners"):
        Zone("road", ((0, 0), (1, 1), (2, 0)))
    with pytest.raises(ValueError, match="greater than 0"):
        HazardRule(gone_s=0)
    assert Zone("all", ((0, 0), (1, 0), (1, 1), (0, 1))).holds(0.5, 1.0) == np.True_
