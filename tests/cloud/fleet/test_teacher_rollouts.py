"""Orders and rollouts of teachers beside those of detectors."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.errors import NotNow
from cloud.store.records import Release
from cloud.store.report_insertion import Received
from messaging.releases import Channel, Role
from messaging.reports import SwapOutcome
from tests.support.cloud.rollout_fleet import Fleet
from tests.support.cloud.sample_reports import MINUTE, OLD, heartbeat, message, received, swap

TEACHER = "c" * 64


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    made.release(OLD, 1)
    yield made
    made.database.close()


def _teacher(fleet: Fleet, digest: str, version: int) -> None:
    row = Release(digest, "service", "teacher", version, 1, None, None, {}, MINUTE, Role.TEACHER)
    fleet.releases.put_release(row)


def _beat(fleet: Fleet, site: str, teacher: str | None, fraction: float | None) -> None:
    beat = heartbeat(OLD, teacher_digest=teacher, teacher_fraction=fraction)
    fleet.reports.put_heartbeats([Received(message(beat, site), 100)])


def test_a_site_gets_an_order_for_each_role_and_its_sequences_only_increase(fleet: Fleet) -> None:
    _teacher(fleet, TEACHER, 2)
    fleet.reports.add_site("quay")
    fleet.driver.order_for_new_sites()
    assert [(o.role, o.sequence, o.digest) for o in fleet.hub.sent] == [
        (Role.DETECTOR, 1, OLD),
        (Role.TEACHER, 2, TEACHER),
    ]
    fleet.hub.take()
    fleet.restart()
    fleet.driver.send_again()
    assert {order.role for order in fleet.hub.sent} == set(Role), "both are sent again after a restart"
    fleet.hub.take()
    fleet.install("quay", 1, OLD)
    _beat(fleet, "quay", TEACHER, 0.3)
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == []


def test_a_rollout_of_a_teacher_leaves_the_detector_and_sites_with_their_own_or_no_teacher(
    fleet: Fleet,
) -> None:
    _teacher(fleet, TEACHER, 2)
    _teacher(fleet, "d" * 64, 3)
    _beat(fleet, "quay", TEACHER, 0.3)
    _beat(fleet, "off", None, None)
    _beat(fleet, "own", "f" * 64, 0.3)
    assert fleet.driver.sites(Role.TEACHER) == ["quay"]
    row = fleet.driver.begin(
        "R",
        "d" * 64,
        Channel.SERVICE,
        previous=TEACHER,
        sites=fleet.driver.sites(Role.TEACHER),
        role=Role.TEACHER,
    )
    fleet.driver.step(row.id)
    (order,) = fleet.hub.sent
    assert (order.site, order.role, order.digest) == ("quay", Role.TEACHER, "d" * 64)
    with pytest.raises(NotNow, match="under way"):
        fleet.driver.start("d" * 64, "ann")
    fleet.reports.insert([received(swap(order.sequence, order.digest, SwapOutcome.INSTALLED), "quay")])
    _beat(fleet, "quay", "d" * 64, 0.3)
    assert fleet.driver.step(row.id).phase == "done"
    fleet.hub.take()
    assert fleet.driver.roll_back(row.id, "ann").phase == "rolling_back"
    (back,) = fleet.hub.sent
    assert (back.role, back.digest, back.downgrade) == (Role.TEACHER, TEACHER, True)
