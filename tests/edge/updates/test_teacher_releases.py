"""A teacher is verified, swapped and rolled back as a detector is, from a folder and an order of its own."""

from pathlib import Path

import pytest

from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.updates.model_updates import ModelUpdates, TrialPolicy
from edge.updates.weights_store import WeightsStore
from messaging.releases import Channel, Role
from messaging.reports import SwapOutcome, SwapReason
from tests.support.edge.weights_site import drain, in_service
from tests.support.fake_detector import load_fake
from tests.support.release_fleet import Fleet

FRAME_POLICY = SwapPolicy(latency_factor=2.5)


class TeacherSite:
    """The teacher of a site, which ends its probation at once."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.store = WeightsStore(fleet.teacher_place(), now_utc=fleet.now)
        self.teacher = SwappableDetector(load_fake, FRAME_POLICY)
        self.updates = ModelUpdates(self.store, self.teacher, policy=TrialPolicy(trial_s=0.0, frames=0))
        self.updates.start(fleet.now)

    def outcomes(self) -> list[tuple[SwapOutcome, SwapReason]]:
        for _ in range(3):
            self.updates.tick(self.fleet.now)
        return [(receipt.outcome, receipt.reason) for receipt in drain(self.store)]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_detector_and_teacher_of_a_site_are_installed_beside_each_other(fleet: Fleet) -> None:
    detectors, detector = in_service(fleet)
    site, teacher = TeacherSite(fleet), fleet.release("teacher", role=Role.TEACHER)
    fleet.order(teacher.digest, role=Role.TEACHER)
    assert site.outcomes() == [(SwapOutcome.INSTALLED, SwapReason.NONE)]
    assert site.teacher.digest == teacher.digest
    detectors.poll(fleet.now)
    active = detectors.active()
    assert active is not None
    assert active.digest == detector.digest
    assert TeacherSite(fleet).teacher.digest == teacher.digest, "also after a restart"


def test_a_teacher_may_have_other_classes_than_the_one_before(fleet: Fleet) -> None:
    site = TeacherSite(fleet)
    for name, classes in (("one", ("fire", "smoke")), ("two", ("fire", "flood"))):
        manifest = fleet.release(name, class_names=classes, role=Role.TEACHER)
        fleet.order(manifest.digest, role=Role.TEACHER)
        assert site.outcomes() == [(SwapOutcome.INSTALLED, SwapReason.NONE)]
        assert site.teacher.digest == manifest.digest


@pytest.mark.parametrize(
    ("signed_as", "ordered_as", "channel", "reason"),
    [
        (Role.DETECTOR, Role.TEACHER, Channel.SERVICE, SwapReason.UNKNOWN_RELEASE),
        (Role.TEACHER, Role.DETECTOR, Channel.SERVICE, SwapReason.UNKNOWN_RELEASE),
        (Role.TEACHER, Role.TEACHER, Channel.TRIAL, SwapReason.NOT_FOR_SERVICE),
    ],
)
def test_a_release_is_used_in_its_own_role_only(
    fleet: Fleet, signed_as: Role, ordered_as: Role, channel: Channel, reason: SwapReason
) -> None:
    site, manifest = TeacherSite(fleet), fleet.release(role=signed_as)
    order = fleet.order(manifest.digest, channel, role=ordered_as)
    if ordered_as is Role.DETECTOR:
        lying = fleet.mirror / "orders" / f"{order.site}.json"
        lying.rename(fleet.mirror / "orders" / f"{order.site}.teacher.json")
    assert site.outcomes() == [(SwapOutcome.REFUSED, reason)]
    assert not site.teacher.ready


def test_a_teacher_that_fails_its_self_test_leaves_the_one_before(fleet: Fleet) -> None:
    site, good = TeacherSite(fleet), fleet.release("good", role=Role.TEACHER)
    fleet.order(good.digest, role=Role.TEACHER)
    site.outcomes()
    fleet.order(fleet.release("bad", kind="nan", role=Role.TEACHER).digest, role=Role.TEACHER)
    assert site.outcomes() == [(SwapOutcome.REFUSED, SwapReason.SELF_TEST_FAILED)]
    assert site.teacher.digest == good.digest


def test_an_ordered_downgrade_brings_the_teacher_before_back(fleet: Fleet) -> None:
    site = TeacherSite(fleet)
    first, second = (fleet.release(name, role=Role.TEACHER) for name in ("one", "two"))
    for manifest in (first, second):
        fleet.order(manifest.digest, role=Role.TEACHER)
        site.outcomes()
    fleet.order(first.digest, role=Role.TEACHER, downgrade=True)
    assert site.outcomes() == [(SwapOutcome.INSTALLED, SwapReason.ORDERED_BACK)]
    assert site.teacher.digest == first.digest
