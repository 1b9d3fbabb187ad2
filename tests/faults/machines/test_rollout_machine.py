"""The rollout's rules against a model of what sites were told and what they did, in any order of events."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cloud.fleet.rollout import approve, orders_of, roll_back, stop
from cloud.fleet.rollout_state import GROUPS, RolloutPhase, SiteState
from messaging.releases import RolloutOrder
from messaging.reports import SwapOutcome, SwapReason
from tests.support.cloud.rollout_world import NEW, OLD, World
from tests.support.profiles import machine_settings

HOLD_S = 100
STOP_FRACTION = 0.05
QUIET_STEPS = 80
ENDED = (RolloutPhase.ROLLING_BACK, RolloutPhase.ROLLED_BACK, RolloutPhase.HALTED)
WORSE = (SwapOutcome.ROLLED_BACK, SwapReason.WORSE_IN_SERVICE)


class RolloutMachine(RuleBasedStateMachine):
    """The model: the last order of each site, which sites failed it, and when a site last changed.

    A revocation is no change: it does not start the hold of a group again, which may be over already.
    """

    broken: ClassVar[Mapping[str, Any]] = {}

    @initialize(sites=st.integers(1, 12), approval=st.sampled_from(((), ("wide",), ("early", "all"))))
    def begin(self, sites: int, approval: tuple[str, ...]) -> None:
        self.world = World(sites, approval_before=approval, **{"hold_s": HOLD_S, **self.broken})
        self.last: dict[str, RolloutOrder] = {}
        self.failed: set[str] = set()
        self.approved: set[RolloutPhase] = set()
        self.changed_at = self.world.now
        self.stopped = False

    # -- what happens --------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((1, 10, 50, 99, 100, 400, 1100)))
    def step(self, seconds: int) -> None:
        before, sent = {p.site: p.state for p in self.world.state.sites}, len(self.world.sent)
        held = self.world.state.paused or self.world.state.awaiting is not None
        self._advance(seconds)
        changed = any(
            before[p.site] is not p.state and p.state is not SiteState.REVOKED for p in self.world.state.sites
        )
        self._check_orders(self.world.sent[sent:], before, held=held)
        if changed:
            self.changed_at = self.world.now
        self._check_failures()

    def _advance(self, seconds: int) -> None:
        self.world.step(seconds)

    @precondition(lambda self: any(order.digest == NEW for order in self.last.values()))
    @rule(which=st.integers(0, 11), good=st.sampled_from((True, True, True, False)))
    def answer(self, which: int, good: bool) -> None:
        ordered = sorted(site for site, order in self.last.items() if order.digest == NEW)
        name = ordered[which % len(ordered)]
        self.world.answer(name, *((SwapOutcome.INSTALLED,) if good else WORSE))
        if not good:
            self.failed.add(name)

    @rule(seconds=st.sampled_from((10, 100)))
    def all_run_well(self, seconds: int) -> None:
        """Every site that was ordered installs the release, and time goes on."""
        for name, order in self.last.items():
            if order.digest == NEW and name not in self.failed:
                self.world.answer(name, SwapOutcome.INSTALLED)
        self.step(seconds)

    @rule(which=st.integers(0, 11))
    def go_back(self, which: int) -> None:
        name = self._name(which)
        if name in self.last and self.last[name].digest == OLD:
            self.world.answer(name, SwapOutcome.INSTALLED)

    @rule(which=st.integers(0, 11))
    def old_receipt(self, which: int) -> None:
        """A receipt of an order before this rollout changes nothing."""
        self.world.answer(self._name(which), *WORSE, sequence=10**6)

    @rule(which=st.integers(0, 11), present=st.booleans())
    def heartbeat(self, which: int, present: bool) -> None:
        (self.world.lost.discard if present else self.world.lost.add)(self._name(which))

    @rule(which=st.integers(0, 11), dark=st.booleans())
    def frames(self, which: int, dark: bool) -> None:
        (self.world.without_frames.add if dark else self.world.without_frames.discard)(self._name(which))

    @precondition(lambda self: len(self.world.names) - len(self.world.revoked) > 1)
    @rule(which=st.integers(0, 11))
    def revoke(self, which: int) -> None:
        self.world.revoked.add(self._name(which))

    @precondition(lambda self: not self.world.state.final)
    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.world.state = replace(self.world.state, paused=paused)

    @precondition(lambda self: self.world.state.awaiting is not None)
    @rule()
    def give_approval(self) -> None:
        assert self.world.state.awaiting is not None
        self.approved.add(self.world.state.awaiting)
        self.world.state = approve(self.world.state, self.world.now)

    @precondition(lambda self: not self.world.state.final)
    @rule(chance=st.integers(0, 5))
    def emergency_stop(self, chance: int) -> None:
        if chance:
            return
        world, sent = self.world, len(self.world.sent)
        result = stop(world.state, world.settings, world.status(), world.now, reason="a person")
        world.take(result.state, result.orders)
        self._note(world.sent[sent:])
        assert {order.digest for order in world.sent[sent:]} <= {OLD}
        assert world.state.phase is RolloutPhase.HALTED

    @precondition(lambda self: self.world.state.phase not in ENDED[:2])
    @rule(chance=st.integers(0, 5))
    def person_rolls_back(self, chance: int) -> None:
        if chance:
            return
        world, sent = self.world, len(self.world.sent)
        result = roll_back(world.state, world.settings, world.status(), world.now, reason="a person")
        world.take(result.state, result.orders)
        self._note(world.sent[sent:])

    # -- what must hold ------------------------------------------------------------------------------

    def _check_orders(self, orders: list[RolloutOrder], before: dict[str, SiteState], *, held: bool) -> None:
        state = self.world.state
        groups = {p.site: p.group for p in state.sites}
        fresh = [order for order in orders if order.digest == NEW]
        assert not {order.site for order in orders} & self.world.revoked, "a revoked site is sent an order"
        assert not (held and fresh), "a group is ordered while the rollout is held"
        assert not (fresh and state.phase in ENDED), "the release is ordered after the rollout went back"
        for order in fresh:
            group = groups[order.site]
            assert order.site not in self.last, "a site is ordered twice"
            assert group in self.approved or str(group) not in self.world.settings.approval_before
            earlier = [p for p in state.sites if GROUPS.index(p.group) < GROUPS.index(group)]
            open_ones = (SiteState.WAITING, SiteState.ORDERED)
            assert not [p for p in earlier if p.state in open_ones], "a group is ordered too early"
            if earlier:
                assert self.world.now - self.changed_at >= HOLD_S, (
                    "a group is ordered before its hold is over"
                )
        self._note(orders)

    def _note(self, orders: list[RolloutOrder]) -> None:
        self.last |= {order.site: order for order in orders}

    def _check_failures(self) -> None:
        """More than a twentieth of a group failed: no site runs on with the release unasked."""
        state = self.world.state
        for group in GROUPS:
            counted = (SiteState.REVOKED, SiteState.IDLE)
            members = {p.site for p in state.sites if p.group is group and p.state not in counted}
            bad = members & self.failed
            if len(bad) > STOP_FRACTION * len(members):
                assert state.phase in (*ENDED, RolloutPhase.DONE), "a release that failed is rolled out on"

    @invariant()
    def orders_are_made_again_from_the_state_alone(self) -> None:
        """A cloud that is killed between storing and sending sends the same orders."""
        if not hasattr(self, "world"):
            return
        again = {order.site: order for order in orders_of(self.world.state, self.world.settings)}
        shut_out = {p.site for p in self.world.state.sites if p.state is SiteState.REVOKED}
        for site, order in self.last.items():
            if site not in shut_out:
                assert (again[site].sequence, again[site].digest) == (order.sequence, order.digest)

    def _name(self, which: int) -> str:
        return self.world.names[which % len(self.world.names)]

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self._ends_when_all_sites_answer()

    def _ends_when_all_sites_answer(self) -> None:
        world = self.world
        world.lost.clear()
        world.without_frames.clear()
        for _ in range(QUIET_STEPS):
            self.pause(paused=False) if not world.state.final else None
            if world.state.awaiting is not None:
                self.give_approval()
            for name, order in self.last.items():
                if name not in self.failed or order.digest == OLD:
                    world.answer(name, SwapOutcome.INSTALLED)
            self.step(100)
        assert world.state.final, "the rollout never ends"
        if world.state.phase is RolloutPhase.ROLLED_BACK:
            left = {name for name, order in self.last.items() if order.digest == NEW}
            kept = {p.site for p in world.state.sites if p.state in (SiteState.RUNNING, SiteState.LOST)}
            assert not left & kept, "a site keeps a release that was rolled back"


class SpreadsFailures(RolloutMachine):
    """A broken rollout: failures do not count."""

    broken: ClassVar[Mapping[str, Any]] = {"stop_fraction": 1.0}


class DoesNotHold(RolloutMachine):
    """A broken rollout: groups follow one another at once."""

    broken: ClassVar[Mapping[str, Any]] = {"hold_s": 0}


class IgnoresPause(RolloutMachine):
    """A broken rollout: what a person paused goes on."""

    def _advance(self, seconds: int) -> None:
        self.world.state = replace(self.world.state, paused=False)
        self.world.step(seconds)


class ForgetsRevoked(RolloutMachine):
    """A broken rollout: revoked sites are sites like others."""

    def _advance(self, seconds: int) -> None:
        revoked, self.world.revoked = self.world.revoked, set()
        self.world.step(seconds)
        self.world.revoked = revoked


def test_no_order_of_events_breaks_a_promise_of_the_rollout() -> None:
    run_state_machine_as_test(RolloutMachine, settings=machine_settings())


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (SpreadsFailures, "a release that failed is rolled out on"),
        (DoesNotHold, "before its hold is over"),
        (IgnoresPause, "while the rollout is held"),
        (ForgetsRevoked, "a revoked site is sent an order"),
    ],
)
def test_the_machine_finds_a_broken_rollout(broken: type[RolloutMachine], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        run_state_machine_as_test(broken, settings=machine_settings(control=True))
