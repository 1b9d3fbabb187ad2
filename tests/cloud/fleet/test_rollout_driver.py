"""Which orders sites get: sites without a model, sites not installed yet, lost and expired orders."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cloud.errors import NotNow
from cloud.fleet.rollout import needs_order
from cloud.store.records import Release
from messaging.errors import WireUnavailable
from messaging.releases import Channel, RolloutOrder
from tests.support.cloud.rollout_fleet import WEEK_S, Fleet
from tests.support.cloud.sample_reports import MINUTE, NEW, OLD

DAY_S = 86400


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    made.release(OLD, 1)
    yield made
    made.database.close()


def test_a_site_without_a_heartbeat_takes_no_part_and_halts_no_rollout(fleet: Fleet) -> None:
    fleet.reports.add_site("attic")
    fleet.beat("quay", OLD)
    fleet.release(NEW, 2)
    assert fleet.driver.sites() == ["quay"]
    assert fleet.roll_out(NEW) == "done"


def test_a_rollout_without_any_heartbeat_is_refused(fleet: Fleet) -> None:
    fleet.reports.add_site("attic")
    with pytest.raises(NotNow, match="enrol one and start it first"):
        fleet.driver.start(OLD, "ann")


def test_a_site_that_starts_after_a_rollout_has_an_order_for_the_new_model(fleet: Fleet) -> None:
    fleet.reports.add_site("attic")
    fleet.beat("quay", OLD)
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == [("attic", 1, OLD)]
    fleet.release(NEW, 2)
    assert fleet.roll_out(NEW) == "done"
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == [("attic", 2, NEW)]
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == []


def test_a_site_that_starts_during_a_rollout_gets_the_new_model_after_it(fleet: Fleet) -> None:
    fleet.beat("quay", OLD)
    fleet.release(NEW, 2, campaign="C")
    under_way = fleet.driver.begin("C", NEW, Channel.SERVICE, previous=OLD, sites=["quay"])
    fleet.driver.step(under_way.id)
    (ordered,) = fleet.hub.take()
    fleet.beat("attic", None)
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == [("attic", 1, OLD)]
    fleet.install("attic", 1, OLD)
    fleet.install(*ordered)
    fleet.driver.step(under_way.id)
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == [("attic", 2, NEW)]


def time_out(fleet: Fleet) -> None:
    """The hub accepts orders again; the same process continues."""


def kill(fleet: Fleet) -> None:
    fleet.restart()
    fleet.driver.send_again()


@pytest.mark.parametrize("loss", [time_out, kill])
def test_a_first_order_that_was_stored_but_not_sent_is_sent(
    fleet: Fleet, loss: Callable[[Fleet], None]
) -> None:
    fleet.reports.add_site("attic")
    fleet.hub.away = True
    with suppress(WireUnavailable):
        fleet.driver.order_for_new_sites()
    fleet.hub.away = False
    loss(fleet)
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == [("attic", 1, OLD)]


def test_an_order_that_was_answered_is_not_sent_again_after_a_restart(fleet: Fleet) -> None:
    fleet.reports.add_site("attic")
    fleet.driver.order_for_new_sites()
    fleet.install("attic", 1, OLD)
    fleet.hub.take()
    kill(fleet)
    assert fleet.hub.take() == []


def test_an_older_order_of_a_rollout_does_not_replace_a_newer_one(fleet: Fleet) -> None:
    fleet.beat("quay", OLD)
    under_way = fleet.driver.begin("C-trial", NEW, Channel.TRIAL, previous=None, sites=["quay"])
    fleet.driver.step(under_way.id)
    fleet.driver.send_single("quay", OLD, Channel.SERVICE)
    fleet.hub.take()
    kill(fleet)
    assert fleet.hub.take() == [("quay", 2, OLD)]


def test_a_site_installed_on_the_eighth_day_has_an_order_that_is_still_valid(fleet: Fleet) -> None:
    fleet.reports.add_site("attic")
    fleet.driver.order_for_new_sites()
    fleet.now += 6 * DAY_S
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == [("attic", 1, OLD)]
    fleet.now += 2 * DAY_S
    fleet.driver.order_for_new_sites()
    (order,) = fleet.hub.sent
    assert (order.sequence, order.digest) == (2, OLD)
    assert order.expires_at_utc == fleet.now + WEEK_S


def test_a_revoked_site_takes_no_part_in_rollouts_and_gets_no_order(fleet: Fleet) -> None:
    fleet.beat("quay", OLD)
    fleet.beat("tunnel", OLD)
    fleet.reports.add_site("attic")
    fleet.reports.revoke_site("attic")
    fleet.reports.revoke_site("tunnel")
    assert fleet.driver.sites() == ["quay"]
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == []


def test_an_unsent_order_for_a_revoked_site_is_dropped(fleet: Fleet) -> None:
    fleet.reports.add_site("attic")
    fleet.hub.away = True
    with suppress(WireUnavailable):
        fleet.driver.order_for_new_sites()
    fleet.hub.away = False
    fleet.reports.revoke_site("attic")
    fleet.driver.order_for_new_sites()
    kill(fleet)
    assert fleet.hub.take() == []


def test_a_site_revoked_in_a_rollout_gets_the_model_when_it_is_enrolled_again(fleet: Fleet) -> None:
    fleet.beat("quay", OLD)
    fleet.beat("tunnel", OLD)
    fleet.driver.order_for_new_sites()
    fleet.hub.take()
    fleet.release(NEW, 2)
    fleet.driver.begin("R", NEW, Channel.SERVICE, previous=OLD, sites=["quay", "tunnel"])
    fleet.driver.step("R")
    (ordered,) = fleet.hub.take()
    fleet.install(*ordered)
    fleet.reports.revoke_site("tunnel")
    for _ in range(3):
        fleet.driver.step("R")
    assert fleet.driver.step("R").phase == "done"
    assert fleet.hub.take() == []
    fleet.reports.add_site("tunnel")
    fleet.driver.order_for_new_sites()
    assert [(site, digest) for site, _, digest in fleet.hub.take()] == [("tunnel", NEW)]


@pytest.mark.parametrize(
    ("why", "last", "known", "expected"),
    [
        ("it never had an order", None, {}, True),
        ("it runs the model", (NEW, 0), {"running": NEW, "missed_rollout": True}, False),
        ("it runs nothing and its order is valid", (NEW, 0), {"missed_rollout": True}, False),
        ("it runs nothing and its order expired", (NEW, WEEK_S), {"answered": True}, True),
        ("it has not answered and its order expired", (NEW, WEEK_S), {"running": OLD}, True),
        ("it refused, and its order expired", (NEW, WEEK_S), {"running": OLD, "answered": True}, False),
        (
            "it missed the rollout and has an order for the previous model",
            (OLD, 0),
            {"running": OLD, "missed_rollout": True},
            True,
        ),
        ("it failed in the rollout", (OLD, 0), {"running": OLD}, False),
    ],
)
def test_a_site_outside_rollouts_is_ordered_the_model_in_service_only_when_it_needs_it(
    why: str, last: tuple[str, int] | None, known: dict[str, object], expected: bool
) -> None:
    order = last and order_for(last[0], age_s=last[1])
    facts = {"running": None, "missed_rollout": False, "answered": False, **known}
    assert needs_order(order, NEW, **facts, now_utc=MINUTE) is expected, why  # type: ignore[arg-type]


def test_a_site_with_a_shadow_run_gets_no_order() -> None:
    order = order_for(NEW, age_s=0, channel=Channel.TRIAL)
    assert not needs_order(order, OLD, running=None, missed_rollout=True, answered=False, now_utc=MINUTE)


def test_a_release_for_trial_is_not_rolled_out(fleet: Fleet) -> None:
    fleet.beat("quay", OLD)
    fleet.releases.put_release(Release(NEW, "trial", "model", 2, 1, None, None, {}, MINUTE))
    with pytest.raises(NotNow, match="is for trial only; it must be promoted first"):
        fleet.driver.start(NEW, "ann")


def test_one_rollout_for_service_is_under_way_at_a_time(fleet: Fleet) -> None:
    fleet.beat("quay", OLD)
    fleet.release(NEW, 2)
    row = fleet.driver.start(NEW, "ann")
    with pytest.raises(NotNow, match=f"rollout {row.id} is under way"):
        fleet.driver.start(NEW, "ann")


def test_a_rollout_of_the_same_name_is_begun_once(fleet: Fleet) -> None:
    fleet.release(NEW, 2)
    first = fleet.driver.begin("R", NEW, Channel.SERVICE, previous=OLD, sites=["quay"])
    again = fleet.driver.begin("R", OLD, Channel.TRIAL, previous=None, sites=["tunnel"])
    assert again == first


def test_a_paused_rollout_is_continued_and_an_ended_one_cannot_be_paused(fleet: Fleet) -> None:
    fleet.beat("quay", OLD)
    fleet.release(NEW, 2)
    fleet.driver.begin("R", NEW, Channel.SERVICE, previous=OLD, sites=["quay"])
    assert fleet.driver.pause("R", True, "ann").paused
    fleet.driver.step_all()
    assert fleet.hub.take() == []
    assert not fleet.driver.pause("R", False, "ann").paused
    fleet.driver.step_all()
    (ordered,) = fleet.hub.take()
    fleet.install(*ordered)
    for _ in range(3):
        row = fleet.driver.step("R")
    assert row.phase == "done"
    with pytest.raises(NotNow, match="is done; there is nothing to pause"):
        fleet.driver.pause("R", True, "ann")


def test_a_finished_rollout_is_rolled_back_on_request(fleet: Fleet) -> None:
    fleet.beat("quay", OLD)
    fleet.release(NEW, 2)
    fleet.driver.begin("R", NEW, Channel.SERVICE, previous=OLD, sites=["quay"])
    fleet.driver.step("R")
    (ordered,) = fleet.hub.take()
    fleet.install(*ordered)
    for _ in range(3):
        row = fleet.driver.step("R")
    assert row.phase == "done"
    assert fleet.driver.roll_back("R", "ann").phase == "rolling_back"
    (order,) = fleet.hub.sent
    assert (order.site, order.digest, order.downgrade) == ("quay", OLD, True)


def test_the_rollout_of_the_first_model_cannot_be_rolled_back(fleet: Fleet) -> None:
    fleet.beat("quay", None)
    row = fleet.driver.start(OLD, "ann")
    with pytest.raises(NotNow, match="there is no previous one to run"):
        fleet.driver.roll_back(row.id, "ann")


def test_an_order_that_the_hub_refused_is_sent_with_the_next_call(fleet: Fleet) -> None:
    fleet.beat("quay", OLD)
    fleet.release(NEW, 2)
    fleet.driver.begin("R", NEW, Channel.SERVICE, previous=OLD, sites=["quay"])
    fleet.hub.away = True
    with pytest.raises(WireUnavailable):
        fleet.driver.step("R")
    fleet.hub.away = False
    fleet.driver.order_for_new_sites()
    assert fleet.hub.take() == [("quay", 1, NEW)]


def order_for(digest: str, *, age_s: int, channel: Channel = Channel.SERVICE) -> RolloutOrder:
    at = MINUTE - age_s
    return RolloutOrder(
        site="attic",
        sequence=1,
        digest=digest,
        channel=channel,
        issued_at_utc=at,
        expires_at_utc=at + WEEK_S,
        downgrade=False,
    )
