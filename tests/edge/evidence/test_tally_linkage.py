"""The linkage attack on recall tallies: somebody knows that an object passed, and when.

With every report of a minute at hand, a tally of one track would state whether that object was detected.
"""

import itertools
from collections.abc import Sequence

import pytest

from edge.evidence.recall_counter import RecallCounter, recall_tallies
from edge.settings import PrivacySettings
from edge.tracking.tracker import ByteTracker, TrackerSettings
from messaging.reports import RecallTally
from tests.edge.evidence.test_recall_counter import DAY, NIGHT, NOTHING, seen
from tests.support.fake_detector import CLASSES, describe

K = PrivacySettings().tally_tracks


class Camera:
    """Objects pass one after the other, each within a minute; what leaves in each minute."""

    def __init__(self) -> None:
        self.tracker, self.counter = ByteTracker(describe(), TrackerSettings()), RecallCounter()
        self.minute = 0

    def passes(self, *, detected: bool, class_id: int = 0, night: bool = True) -> list[RecallTally]:
        scene = NIGHT if night else DAY
        for tenth in range(5):
            update = self.tracker.update(seen(class_id=class_id), 60 * self.minute + tenth / 10)
            self.counter.update(update, [seen(class_id=class_id) if detected else NOTHING], scene)
        self.counter.update(self.tracker.update(NOTHING, 60 * self.minute + 30), [NOTHING], scene)
        self.minute += 1
        return self.leaves()

    def leaves(self) -> list[RecallTally]:
        taken = self.counter.take(K)
        minute = 60 * self.minute
        return recall_tallies(taken, CLASSES, camera="cam", model_digest="a" * 64, minute_utc=minute)


def what_leaves(outcomes: Sequence[bool]) -> list[RecallTally]:
    camera = Camera()
    return [tally for detected in outcomes for tally in camera.passes(detected=detected)]


def test_an_object_that_passes_alone_is_in_no_tally() -> None:
    camera = Camera()
    assert camera.passes(detected=False) == []
    assert camera.passes(detected=True, class_id=1) == []
    assert camera.passes(detected=True, night=False) == []


def test_a_tally_does_not_show_which_of_its_objects_was_missed() -> None:
    order = [[i != missed for i in range(K)] for missed in range(K)]
    first, *others = [what_leaves(outcomes) for outcomes in order]
    assert [(t.supported, t.detected) for t in first] == [(K, K - 1)]
    assert all(other == first for other in others)


@pytest.mark.parametrize("objects", [3, 23])
def test_every_tally_has_enough_tracks_and_each_is_counted_once(objects: int) -> None:
    camera, tallies = Camera(), list[RecallTally]()
    for i, class_id in itertools.product(range(objects), range(2)):
        tallies += camera.passes(detected=i % 2 == 0, class_id=class_id)
    assert all(tally.supported >= K for tally in tallies)
    assert sum(tally.supported for tally in tallies) == 2 * (objects - objects % K)
