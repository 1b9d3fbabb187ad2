"""Phases canary, partial, all; halting and rolling back; lost sites and missing receipts."""

import json
from collections import defaultdict
from dataclasses import replace

import pytest

from cloud.errors import NotNow
from cloud.fleet.rollout import (
    FleetStatus,
    RolloutPhase,
    RolloutState,
    SiteState,
    advance,
    orders_of,
    plan_rollout,
    roll_back,
)
from cloud.settings import RolloutSettings
from messaging.releases import Channel, RolloutOrder
from messaging.reports import SwapOutcome, SwapReason, SwapReceipt

NEW, OLD = "b" * 64, "a" * 64
SETTINGS = RolloutSettings(
    canary_sites=1,
    partial_fraction=0.5,
    hold_s=100,
    stop_fraction=0.05,
    phase_deadline_s=1000,
    heartbeat_missing_s=300,
)


class World:
    """Sites that answer orders as a test scripts them, and a clock."""

    def __init__(
        self, count: int, *, channel: Channel = Channel.SERVICE, previous: str | None = OLD, **settings: float
    ) -> None:
        self.now = 10_000
        self.settings = SETTINGS.model_copy(update=settings)
        self.names = [f"site{n}" for n in range(count)]
        self.state = plan_rollout(
            NEW, previous, channel, sites=self.names, settings=self.settings, now_utc=self.now
        )
        self.receipts: dict[str, list[SwapReceipt]] = defaultdict(list)
        self.lost: set[str] = set()
        self.heartbeats: dict[str, int] = {}
        self.sequences: dict[str, int] = {}
        self.revoked: set[str] = set()
        self.sent: list[RolloutOrder] = []

    def status(self) -> FleetStatus:
        self.heartbeats |= {name: self.now for name in self.names if name not in self.lost}
        return FleetStatus(self.receipts, self.heartbeats, self.sequences, self.revoked)

    def step(self, seconds: int = 10) -> list[str]:
        """RolloutStep once; the state goes through JSON as it would through the store."""
        self.now += seconds
        self.state = RolloutState.from_json(json.loads(json.dumps(self.state.to_json())))
        result = advance(self.state, self.settings, self.status(), self.now)
        return self.take(result.state, result.orders)

    def take(self, state: RolloutState, orders: tuple[RolloutOrder, ...]) -> list[str]:
        self.state = state
        for order in orders:
            assert order.sequence > self.sequences.get(order.site, 0)
            self.sequences[order.site] = order.sequence
        self.sent += orders
        return [order.site for order in orders]

    def answer(
        self, site: str, outcome: SwapOutcome, reason: SwapReason = SwapReason.NONE, sequence: int = 0
    ) -> None:
        self.receipts[site].append(
            SwapReceipt(
                sequence=sequence or self.sequences[site],
                digest=NEW,
                previous_digest=OLD,
                channel=self.state.channel,
                outcome=outcome,
                reason=reason,
                frames_lost=0,
                at_utc=self.now,
            )
        )

    def site(self, name: str) -> SiteState:
        return next(p.state for p in self.state.sites if p.site == name)


def test_a_rollout_orders_canary_then_partial_then_all() -> None:
    world, groups = World(6), []
    for _ in range(60):
        ordered = world.step()
        for site in ordered:
            world.answer(site, SwapOutcome.INSTALLED)
        groups += [ordered] if ordered else []
        if world.state.final:
            break
    assert world.state.phase is RolloutPhase.DONE
    assert groups == [["site0"], ["site1", "site2"], ["site3", "site4", "site5"]]
    assert {(o.digest, o.channel, o.downgrade) for o in world.sent} == {(NEW, Channel.SERVICE, False)}


def test_a_phase_is_held_before_the_next_group_is_ordered() -> None:
    world = World(2)
    world.step()
    world.answer("site0", SwapOutcome.INSTALLED)
    assert world.step() == []
    assert world.step(99) == []
    assert world.step(1) == ["site1"]


def test_a_single_site_is_a_whole_rollout() -> None:
    world = World(1)
    assert world.step() == ["site0"]
    world.answer("site0", SwapOutcome.INSTALLED)
    world.step()
    assert world.state.phase is RolloutPhase.DONE


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


def fill(world: World, phase: RolloutPhase) -> None:
    """Install everywhere until the orders of `phase` are out, and answer none of those."""
    while True:
        ordered = world.step(110)
        if world.state.phase is phase and ordered:
            return
        for site in ordered:
            world.answer(site, SwapOutcome.INSTALLED)


def test_a_failure_in_a_later_group_rolls_every_ordered_site_back() -> None:
    world = World(8)
    fill(world, RolloutPhase.PARTIAL)
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
    world = World(100, canary_sites=1, partial_fraction=0.41)
    fill(world, RolloutPhase.PARTIAL)
    members = [p.site for p in world.state.sites if p.group is RolloutPhase.PARTIAL]
    assert len(members) == 40
    for site in members[2:]:
        world.answer(site, SwapOutcome.INSTALLED)
    for site in members[:2]:
        world.answer(site, SwapOutcome.REFUSED, SwapReason.TOO_SLOW)
    world.step()
    assert world.state.phase is RolloutPhase.PARTIAL
    world.answer(members[2], SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)
    world.step()
    assert world.state.phase is RolloutPhase.ROLLING_BACK
    assert world.state.reason == "3 of 40 sites of group partial failed: crashed, too_slow"


def test_a_site_lost_after_its_order_halts_the_rollout() -> None:
    world = World(4)
    world.step()
    world.lost.add("site0")
    world.step(290)
    assert world.state.phase is RolloutPhase.CANARY
    assert world.step(20) == ["site0"]
    assert world.state.reason == "1 of 1 sites of group canary failed: no heartbeat"
    assert world.sent[-1].downgrade


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
    assert world.state.phase is RolloutPhase.DONE


def test_a_revoked_site_gets_no_order_and_is_not_ordered_back() -> None:
    world = World(4)
    fill(world, RolloutPhase.PARTIAL)
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
    fill(world, RolloutPhase.PARTIAL)
    assert {o.site: o for o in orders_of(world.state, world.settings)} == {o.site: o for o in world.sent}
    world.answer("site1", SwapOutcome.REFUSED, SwapReason.TOO_SLOW)
    world.step()
    again = {o.site: o for o in orders_of(world.state, world.settings)}
    assert again["site0"] == world.sent[-1]
    assert again["site0"].downgrade


def test_a_rollout_without_sites_is_refused() -> None:
    with pytest.raises(NotNow, match="enrol one and start it first"):
        plan_rollout(NEW, OLD, Channel.SERVICE, sites=[], settings=SETTINGS, now_utc=0)
