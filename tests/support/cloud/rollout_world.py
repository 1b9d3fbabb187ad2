"""Sites that answer a rollout's orders as a test scripts them: the state machine without a store."""

import json
from collections import defaultdict

from cloud.fleet.rollout import FleetStatus, advance
from cloud.fleet.rollout_state import RolloutPhase, RolloutState, SiteState, plan_rollout
from cloud.settings import RolloutSettings
from messaging.releases import Channel, RolloutOrder
from messaging.reports import SwapOutcome, SwapReason, SwapReceipt

NEW, OLD = "b" * 64, "a" * 64
SETTINGS = RolloutSettings(
    canary_sites=1,
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
        self.without_frames: set[str] = set()
        self.sent: list[RolloutOrder] = []

    def status(self) -> FleetStatus:
        self.heartbeats |= {name: self.now for name in self.names if name not in self.lost}
        return FleetStatus(self.receipts, self.heartbeats, self.sequences, self.revoked, self.without_frames)

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


def fill(world: World, phase: RolloutPhase) -> None:
    """Install everywhere until the orders of `phase` are out, and answer none of those."""
    while True:
        ordered = world.step(110)
        if world.state.phase is phase and ordered:
            return
        for site in ordered:
            world.answer(site, SwapOutcome.INSTALLED)
