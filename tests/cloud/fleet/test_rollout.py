"""Groups canary, early, wide, all; halting and rolling back; lost sites and missing receipts."""

from dataclasses import replace

import pytest

from cloud.errors import NotNow
from cloud.fleet.rollout import approve, orders_of, roll_back, stop
from cloud.fleet.rollout_state import RolloutPhase, SiteState, plan_rollout
from messaging.releases import Channel
from messaging.reports import SwapOutcome, SwapReason
from tests.support.cloud.rollout_world import NEW, OLD, SETTINGS, World, fill


def test_a_rollout_orders_canary_then_a_tenth_then_half_then_all() -> None:
    world, groups = World(20), []
    for _ in range(80):
        ordered = world.step()
        for site in ordered:
            world.answer(site, SwapOutcome.INSTALLED)
        groups += [ordered] if ordered else []
        if world.state.final:
            break
    assert world.state.phase is RolloutPhase.DONE
    assert [len(group) for group in groups] == [1, 1, 8, 10]
    assert [site for group in groups for site in group] == world.names
    assert {(o.digest, o.channel, o.downgrade) for o in world.sent} == {(NEW, Channel.SERVICE, False)}


def test_a_phase_is_held_before_the_next_group_is_ordered() -> None:
    world = World(2)
    world.step()
    world.answer("site0", SwapOutcome.INSTALLED)
    assert world.step() == []
    assert world.step(99) == []
    assert world.step(1) == ["site1"]


@pytest.mark.parametrize(
    ("sites", "sizes"),
    [
        (1, [1]),
        (2, [1, 1]),
        (3, [1, 1, 1]),
        (4, [1, 1, 2]),
        (5, [1, 2, 2]),
        (10, [1, 4, 5]),
        (11, [1, 1, 4, 5]),
    ],
)
def test_a_small_fleet_has_groups_that_double_and_begins_at_one_site(sites: int, sizes: list[int]) -> None:
    groups = [progress.group for progress in World(sites).state.sites]
    assert groups == sorted(groups, key=list(RolloutPhase).index)
    assert [groups.count(group) for group in dict.fromkeys(groups)] == sizes


@pytest.mark.parametrize("sites", [1, 2, 3, 4, 5])
def test_each_group_is_held_the_last_one_too(sites: int) -> None:
    world, held = World(sites), 0
    while not world.state.final:
        for site in world.step():
            world.answer(site, SwapOutcome.INSTALLED)
            held += 1
        if held == sites:
            break
    world.step()
    assert world.step(99) == []
    assert not world.state.final
    world.step(1)
    assert world.state.phase is RolloutPhase.DONE


def test_a_last_group_that_turns_out_worse_in_service_rolls_every_site_back() -> None:
    world = World(2)
    fill(world, RolloutPhase.ALL)
    world.answer("site1", SwapOutcome.INSTALLED)
    assert world.step() == []
    world.answer("site1", SwapOutcome.ROLLED_BACK, SwapReason.WORSE_IN_SERVICE)
    assert world.step(50) == ["site0"]
    assert world.state.phase is RolloutPhase.ROLLING_BACK
    assert world.state.reason == "1 of 1 sites of group all failed: worse_in_service"


def test_a_group_that_needs_approval_is_ordered_when_it_is_given() -> None:
    world = World(4, approval_before=("wide",))
    with pytest.raises(NotNow, match="is canary and waits for no approval"):
        approve(world.state, world.now)
    world.step()
    world.answer("site0", SwapOutcome.INSTALLED)
    for _ in range(9):
        assert world.step(100) == []
    assert world.state.awaiting is RolloutPhase.WIDE
    world.state = approve(world.state, world.now)
    assert world.step() == ["site1"]
    world.answer("site1", SwapOutcome.INSTALLED)
    world.step()
    assert world.step(100) == ["site2", "site3"]


def test_a_rollout_that_waits_for_approval_still_goes_back_on_failures() -> None:
    world = World(2, approval_before=("all",))
    world.step()
    world.answer("site0", SwapOutcome.INSTALLED)
    world.step()
    world.step(100)
    assert world.state.awaiting is RolloutPhase.ALL
    world.answer("site0", SwapOutcome.ROLLED_BACK, SwapReason.WORSE_IN_SERVICE)
    world.step()
    assert (world.state.phase, world.state.awaiting) == (RolloutPhase.ROLLED_BACK, None)


def test_an_emergency_stop_recalls_the_orders_that_are_not_carried_out_and_changes_nothing_else() -> None:
    world = World(4)
    fill(world, RolloutPhase.ALL)
    world.answer("site2", SwapOutcome.INSTALLED)
    result = stop(world.state, world.settings, world.status(), world.now, reason="ann stopped it")
    assert world.take(result.state, result.orders) == ["site3"]
    assert (world.sent[-1].digest, world.sent[-1].channel) == (OLD, Channel.SERVICE)
    assert world.state.phase is RolloutPhase.HALTED
    assert {world.site(name) for name in ("site0", "site1", "site2")} == {SiteState.RUNNING}
    assert world.step(1000) == []
    with pytest.raises(NotNow, match="is halted; there is nothing to stop"):
        stop(world.state, world.settings, world.status(), world.now, reason="again")
    result = roll_back(world.state, world.settings, world.status(), world.now, reason="ann rolled it back")
    assert world.take(result.state, result.orders) == ["site0", "site1", "site2"]


def test_an_emergency_stop_without_a_previous_release_recalls_nothing() -> None:
    world = World(2, previous=None)
    world.step()
    result = stop(world.state, world.settings, world.status(), world.now, reason="ann stopped it")
    assert (result.state.phase, result.orders) == (RolloutPhase.HALTED, ())


def test_a_trial_is_done_when_the_shadow_run_has_begun() -> None:
    world = World(1, channel=Channel.TRIAL)
    world.step()
    world.answer("site0", SwapOutcome.INSTALLED, sequence=99)
    assert world.step() == []
    assert world.state.phase is RolloutPhase.CANARY
    world.answer("site0", SwapOutcome.SHADOWING)
    world.step()
    assert world.state.phase is RolloutPhase.DONE


@pytest.mark.parametrize("outcome", [SwapOutcome.REFUSED, SwapOutcome.ROLLED_BACK])
def test_a_canary_that_fails_halts_and_no_other_site_is_ordered(outcome: SwapOutcome) -> None:
    world = World(10)
    world.step()
    world.answer("site0", outcome, SwapReason.CRASHED)
    assert world.step() == []
    assert world.state.phase is RolloutPhase.ROLLED_BACK
    assert world.state.reason == "1 of 1 sites of group canary failed: crashed"
    assert {o.site for o in world.sent} == {"site0"}


@pytest.mark.parametrize("late", [SwapOutcome.INSTALLED, SwapOutcome.ROLLED_BACK])
def test_a_canary_that_turns_out_worse_in_service_halts_within_the_hold(late: SwapOutcome) -> None:
    """In whatever order the two receipts of the same order arrive."""
    world = World(10)
    world.step()
    reasons = {SwapOutcome.INSTALLED: SwapReason.NONE, SwapOutcome.ROLLED_BACK: SwapReason.WORSE_IN_SERVICE}
    for outcome in sorted(reasons, key=lambda outcome: outcome is late):
        world.answer("site0", outcome, reasons[outcome])
        assert world.step() == []
    assert world.state.phase is RolloutPhase.ROLLED_BACK
    assert world.state.reason == "1 of 1 sites of group canary failed: worse_in_service"
    assert {order.site for order in world.sent} == {"site0"}


def test_a_failure_in_a_later_group_rolls_every_ordered_site_back() -> None:
    world = World(8)
    fill(world, RolloutPhase.WIDE)
    world.answer("site1", SwapOutcome.ROLLED_BACK, SwapReason.WORSE_IN_SERVICE)
    world.answer("site2", SwapOutcome.INSTALLED)
    assert world.step() == ["site0", "site2", "site3"]
    assert world.state.phase is RolloutPhase.ROLLING_BACK
    back = world.sent[-3:]
    assert {(o.digest, o.channel, o.downgrade) for o in back} == {(OLD, Channel.SERVICE, True)}
    for site in ("site0", "site2", "site3"):
        world.answer(site, SwapOutcome.INSTALLED, SwapReason.ORDERED_BACK)
    world.step()
    assert world.state.phase is RolloutPhase.ROLLED_BACK
    assert world.site("site4") is SiteState.WAITING


def test_few_failures_in_a_large_group_do_not_halt_and_more_do() -> None:
    world = World(100, canary_sites=1, early_fraction=0.01, wide_fraction=0.41)
    fill(world, RolloutPhase.WIDE)
    members = [p.site for p in world.state.sites if p.group is RolloutPhase.WIDE]
    assert len(members) == 40
    for site in members[2:]:
        world.answer(site, SwapOutcome.INSTALLED)
    for site in members[:2]:
        world.answer(site, SwapOutcome.REFUSED, SwapReason.TOO_SLOW)
    world.step()
    assert world.state.phase is RolloutPhase.WIDE
    world.answer(members[2], SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)
    world.step()
    assert world.state.phase is RolloutPhase.ROLLING_BACK
    assert world.state.reason == "3 of 40 sites of group wide failed: crashed, too_slow"


def test_a_site_lost_after_its_order_halts_the_rollout() -> None:
    world = World(4)
    world.step()
    world.lost.add("site0")
    world.step(290)
    assert world.state.phase is RolloutPhase.CANARY
    assert world.step(20) == ["site0"]
    assert world.state.reason == "1 of 1 sites of group canary failed: no heartbeat"
    assert world.sent[-1].downgrade


def test_a_site_whose_cameras_give_no_frames_holds_no_group_and_is_no_failure() -> None:
    world = World(2)
    world.without_frames.add("site1")
    world.step()
    world.answer("site0", SwapOutcome.INSTALLED)
    world.step()
    assert world.step(100) == ["site1"]
    world.step(290)
    assert world.site("site1") is SiteState.ORDERED, "as long as a heartbeat may be late"
    world.step(20)
    assert world.site("site1") is SiteState.IDLE
    world.step(100)
    assert (world.state.phase, world.state.reason) == (RolloutPhase.DONE, "")


def test_a_release_that_every_site_so_far_could_not_try_waits_at_its_canary() -> None:
    world = World(3)
    world.without_frames.add("site0")
    world.step()
    for _ in range(4):
        assert world.step(1000) == []
    assert (world.site("site0"), world.state.phase) == (SiteState.IDLE, RolloutPhase.CANARY)
    world.answer("site0", SwapOutcome.INSTALLED)
    world.step()
    assert world.site("site0") is SiteState.RUNNING
    assert world.step(110), "frames came, the site runs the release, and the next group follows"


def test_an_idle_site_that_fails_later_counts_and_is_ordered_back_with_the_others() -> None:
    world = World(2)
    world.without_frames.add("site1")
    world.step()
    world.answer("site0", SwapOutcome.INSTALLED)
    world.step()
    world.step(100)
    world.step(310)
    world.answer("site1", SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)
    assert world.step() == ["site0"]
    assert world.state.reason == "1 of 1 sites of group all failed: crashed"


def test_a_stopped_rollout_recalls_the_order_of_an_idle_site() -> None:
    world = World(2)
    world.without_frames.add("site0")
    world.step()
    world.step(310)
    step = stop(world.state, world.settings, world.status(), world.now, reason="stopped")
    assert [(order.site, order.digest) for order in step.orders] == [("site0", OLD)]


def test_a_site_revoked_after_its_order_is_left_out_and_halts_nothing() -> None:
    world = World(2)
    world.step()
    world.lost.add("site0")
    world.revoked.add("site0")
    world.step(2000)
    assert world.site("site0") is SiteState.REVOKED
    assert world.step(100) == ["site1"]
    world.answer("site1", SwapOutcome.INSTALLED)
    world.step()
    world.step(100)
    assert world.state.phase is RolloutPhase.DONE


def test_a_revoked_site_gets_no_order_and_is_not_ordered_back() -> None:
    world = World(4)
    fill(world, RolloutPhase.WIDE)
    world.revoked.add("site0")
    world.answer("site1", SwapOutcome.REFUSED, SwapReason.TOO_SLOW)
    assert world.step() == []
    assert world.state.phase is RolloutPhase.ROLLED_BACK
    assert "site0" not in {order.site for order in orders_of(world.state, world.settings)}


def test_a_site_enrolled_again_during_a_rollout_is_not_part_of_it() -> None:
    world = World(2)
    world.revoked.add("site0")
    world.step()
    world.revoked.clear()
    world.step()
    assert world.site("site0") is SiteState.REVOKED


def test_a_site_without_a_receipt_halts_the_rollout_at_the_deadline() -> None:
    world = World(4)
    world.step()
    for _ in range(10):
        assert world.step(100) == []
    assert world.step(100) == ["site0"]
    assert world.state.reason == "1 of 1 sites of group canary failed: no receipt"


def test_a_rollback_without_receipts_ends_at_the_deadline() -> None:
    world = World(2)
    world.step()
    world.lost.add("site0")
    world.step(400)
    assert world.state.phase is RolloutPhase.ROLLING_BACK
    world.step(1001)
    assert world.state.phase is RolloutPhase.ROLLED_BACK


def test_without_a_previous_release_a_failure_only_halts() -> None:
    world = World(2, previous=None)
    world.step()
    world.answer("site0", SwapOutcome.REFUSED, SwapReason.BAD_BUNDLE)
    assert world.step() == []
    assert world.state.phase is RolloutPhase.HALTED


def test_receipts_of_other_orders_are_not_taken_for_this_one() -> None:
    world = World(1)
    world.sequences["site0"] = 41
    world.step()
    assert world.sent[-1].sequence == 42
    world.answer("site0", SwapOutcome.ROLLED_BACK, SwapReason.CRASHED, sequence=41)
    world.step()
    assert world.state.phase is RolloutPhase.CANARY


def test_a_paused_rollout_orders_no_further_group_but_still_halts() -> None:
    world = World(4)
    world.step()
    world.answer("site0", SwapOutcome.INSTALLED)
    world.state = replace(world.state, paused=True)
    for _ in range(5):
        assert world.step(100) == []
    world.state = replace(world.state, paused=False)
    assert world.step() == ["site1"]
    world.state = replace(world.state, paused=True)
    world.answer("site1", SwapOutcome.REFUSED, SwapReason.TOO_SLOW)
    assert world.step() == ["site0"]
    assert world.state.phase is RolloutPhase.ROLLING_BACK


def test_an_operator_rolls_back_a_finished_rollout_once() -> None:
    world = World(2)
    while not world.state.final:
        for site in world.step(110):
            world.answer(site, SwapOutcome.INSTALLED)
    result = roll_back(world.state, world.settings, world.status(), world.now, reason="operator")
    assert world.take(result.state, result.orders) == ["site0", "site1"]
    with pytest.raises(NotNow, match="rolling_back already"):
        roll_back(world.state, world.settings, world.status(), world.now, reason="again")


def test_orders_can_be_sent_again_after_a_crash_between_storing_and_sending() -> None:
    world = World(4)
    fill(world, RolloutPhase.WIDE)
    assert {o.site: o for o in orders_of(world.state, world.settings)} == {o.site: o for o in world.sent}
    world.answer("site1", SwapOutcome.REFUSED, SwapReason.TOO_SLOW)
    world.step()
    again = {o.site: o for o in orders_of(world.state, world.settings)}
    assert again["site0"] == world.sent[-1]
    assert again["site0"].downgrade


def test_a_rollout_without_sites_is_refused() -> None:
    with pytest.raises(NotNow, match="enrol one and start it first"):
        plan_rollout(NEW, OLD, Channel.SERVICE, sites=[], settings=SETTINGS, now_utc=0)
