"""A fleet decided by the product's own rules (lanes, receipts, intake's progress, rollout) and nothing else.

Everything around the rules is simulated: sites, brokers, hub, database, time and faults come from one seed,
so that a history is repeated by its number. A second of its time costs nothing.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cloud.fleet.rollout import FleetStatus, advance, orders_of
from cloud.fleet.rollout_state import RolloutState, plan_rollout
from cloud.settings import RolloutSettings
from cloud.store.lane_progress import Arrival, LaneProgress, advanced
from edge.gate.sent_lane import SentLane
from messaging.receipts import LanePlace, LedgerPosition
from messaging.releases import Channel, RolloutOrder
from messaging.reports import SwapOutcome, SwapReason, SwapReceipt

OLD, NEW = "a" * 64, "b" * 64
SETTINGS = RolloutSettings(hold_s=300.0, phase_deadline_s=7200.0, heartbeat_missing_s=3600.0)
RECEIPT_TIMEOUT_S = 60.0
_BATCH = 8
_STEP_S = 30.0


@dataclass
class Hub:
    """What the hub has: messages in order, receipts by site, the last order of each site."""

    identity: int
    messages: list[tuple[str, int, Any, LanePlace]] = field(default_factory=list)
    receipts: dict[str, tuple[int, int]] = field(default_factory=dict)
    orders: dict[str, RolloutOrder] = field(default_factory=dict)


class Site:
    """A node, the site's broker and its gate, with one lane. `checks_receipts` false: the control run."""

    def __init__(self, name: str, *, good_model: bool, checks_receipts: bool) -> None:
        self.name, self.good_model, self.checks_receipts = name, good_model, checks_receipts
        self.stream: dict[int, Any] = {}
        self.last = self.acknowledged = self.purged = 0
        self.refused: set[int] = set()
        self.model, self.last_order = OLD, 0
        self.hub_identity = 0
        self.restart_gate()

    def restart_gate(self) -> None:
        """The gate forgets everything but the ledger."""
        self.lane = SentLane(RECEIPT_TIMEOUT_S)
        self.lane.begin(self.name, self.purged + 1)

    def put(self, payload: Any, *, refused: bool = False) -> None:
        """The site's broker accepts a message; the gate will admit it or not."""
        self.last += 1
        self.stream[self.last] = payload
        if refused:
            self.refused.add(self.last)

    def forward(self, hub: Hub, chance: random.Random, now_s: float) -> None:
        """Send what was not acknowledged, until the link breaks: before or after the hub has a message."""
        for sequence in range(self.acknowledged + 1, min(self.last, self.acknowledged + _BATCH) + 1):
            if sequence in self.refused:
                self.lane.void(sequence)
            elif chance.random() < 0.1:
                return
            else:
                hub.messages.append(self._message(sequence))
                if chance.random() < 0.1:
                    return
            self.acknowledged = sequence

    def send_again(self, hub: Hub, now_s: float) -> None:
        """Send what has no receipt in time."""
        due = self.lane.due(now_s, _BATCH)
        if due is None:
            return
        for sequence in range(due[0], due[1] + 1):
            if sequence in self.stream and sequence not in self.refused:
                hub.messages.append(self._message(sequence))
            else:
                self.lane.void(sequence)
        self.lane.sent_again(due[1], now_s)

    def take_receipt(self, hub: Hub, now_s: float) -> None:
        """Settle what is committed, and forget it."""
        self.lane.sent(self.acknowledged, now_s)
        if self.name in hub.receipts:
            identity, through = hub.receipts[self.name]
            if identity != self.hub_identity:
                self.lane.forget_receipts(now_s)
                self.hub_identity = identity
            self.lane.receipted(through)
        settled = self.lane.settled if self.checks_receipts else self.acknowledged
        for sequence in range(self.purged + 1, min(self.acknowledged, settled) + 1):
            del self.stream[sequence]
            self.purged = sequence

    def follow_order(self, hub: Hub, now_s: float) -> None:
        """The node carries out the newest order, and reports what it did."""
        order = hub.orders.get(self.name)
        if order is None or order.sequence <= self.last_order:
            return
        self.last_order = order.sequence
        works = order.digest == OLD or self.good_model
        self.model = order.digest if works else self.model
        self.put(
            SwapReceipt(
                sequence=order.sequence,
                digest=order.digest,
                previous_digest=OLD,
                channel=order.channel,
                outcome=SwapOutcome.INSTALLED if works else SwapOutcome.ROLLED_BACK,
                reason=SwapReason.NONE if works else SwapReason.WORSE_IN_SERVICE,
                frames_lost=0,
                at_utc=int(now_s),
            )
        )

    def _message(self, sequence: int) -> tuple[str, int, Any, LanePlace]:
        return self.name, sequence, self.stream[sequence], self.lane.place(sequence)


class SimulatedFleet:
    """One history. `violations` lists what must never be."""

    def __init__(
        self,
        seed: int,
        *,
        good_model: bool,
        checks_receipts: bool = True,
        settings: RolloutSettings = SETTINGS,
    ) -> None:
        self.settings = settings
        self.chance = random.Random(seed)
        self.now_s = 0.0
        self.hub = Hub(1)
        names = [f"s{n}" for n in range(self.chance.randint(1, 6))]
        self.sites = {
            name: Site(name, good_model=good_model, checks_receipts=checks_receipts) for name in names
        }
        self.stored: Counter[tuple[str, int]] = Counter()
        self.swaps: dict[str, list[SwapReceipt]] = {name: [] for name in names}
        self.progress: dict[str, LaneProgress] = {}
        self.read_up_to = 0
        self.rollout = plan_rollout(NEW, OLD, Channel.SERVICE, sites=names, settings=self.settings, now_utc=0)
        self.sequences: dict[str, int] = {}
        self.touched: set[str] = set()
        self.violations: list[str] = []

    def run(self, steps: int) -> None:
        """Steps with faults, then quiet until nothing moves any more."""
        for _ in range(steps):
            self.now_s += self.chance.uniform(0.0, _STEP_S)
            for site in self.sites.values():
                self._at_site(site)
            self._fault()
            self._cloud(killed=self.chance.random() < 0.1)
            self._check()
        for _ in range(400):
            self.now_s += 4 * _STEP_S
            for site in self.sites.values():
                site.follow_order(self.hub, self.now_s)
                site.forward(self.hub, self.chance, self.now_s)
                site.take_receipt(self.hub, self.now_s)
                site.send_again(self.hub, self.now_s)
            self._cloud(killed=False)
            self._check()
            if self.rollout.final and all(self._all_stored(site) for site in self.sites.values()):
                break
        self._check_end()

    def _at_site(self, site: Site) -> None:
        if self.chance.random() < 0.5:
            site.put("report", refused=self.chance.random() < 0.1)
        for act in (site.follow_order, site.take_receipt, site.send_again):
            if self.chance.random() < 0.5:
                act(self.hub, self.now_s)
        if self.chance.random() < 0.6:
            site.forward(self.hub, self.chance, self.now_s)
        if self.chance.random() < 0.03:
            site.restart_gate()

    def _fault(self) -> None:
        """Sometimes the hub's disk is lost, with all that was not read, its receipts and its orders."""
        if self.chance.random() < 0.03:
            self.hub, self.read_up_to = Hub(self.hub.identity + 1), 0
            self._send(orders_of(self.rollout, self.settings))

    def _cloud(self, *, killed: bool) -> None:
        """Intake commits a batch, and is killed before it acknowledges or not; then the rollout moves on."""
        batch = self.hub.messages[self.read_up_to : self.read_up_to + self.chance.randint(1, 20)]
        arrived = batch[:]
        self.chance.shuffle(arrived)
        for name, sequence, payload, place in arrived:
            if (name, sequence) not in self.stored and isinstance(payload, SwapReceipt):
                self.swaps[name].append(payload)
            self.stored[name, sequence] = 1
            before = self.progress.get(name) or LaneProgress(name, "lane", name)
            arrival = Arrival(name, "lane", place, LedgerPosition(sequence, "0"))
            self.progress[name] = advanced(before, [arrival])
        if killed:
            return
        self.read_up_to += len(batch)
        for name, progress in self.progress.items():
            self.hub.receipts[name] = (self.hub.identity, progress.through)
        status = FleetStatus(self.swaps, dict.fromkeys(self.sites, int(self.now_s)), self.sequences)
        step = advance(RolloutState.from_json(self.rollout.to_json()), self.settings, status, int(self.now_s))
        self.rollout = step.state
        self._send(step.orders if self.chance.random() < 0.9 else orders_of(self.rollout, self.settings))

    def _send(self, orders: tuple[RolloutOrder, ...]) -> None:
        for order in orders:
            if order.sequence < self.sequences.get(order.site, 0):
                self.violations.append(f"{order.site} is sent order {order.sequence} after a later one")
            self.sequences[order.site] = order.sequence
            self.hub.orders[order.site] = order
            if order.digest == NEW:
                self.touched.add(order.site)

    def _check(self) -> None:
        for site in self.sites.values():
            lost = [
                n
                for n in range(1, site.purged + 1)
                if n not in site.refused and not self.stored[site.name, n]
            ]
            if lost:
                self.violations.append(f"{site.name} has deleted {lost[:3]}, which are not stored")

    def _all_stored(self, site: Site) -> bool:
        return all(self.stored[site.name, n] for n in range(1, site.last + 1) if n not in site.refused)

    def _check_end(self) -> None:
        for site in self.sites.values():
            if not self._all_stored(site):
                self.violations.append(f"{site.name}: not all of {site.last} messages are stored")
            running = NEW if site.good_model else OLD
            if site.model != running:
                self.violations.append(
                    f"{site.name} runs {site.model[:1]} when the rollout is {self.rollout.phase}"
                )
        good = next(iter(self.sites.values())).good_model
        if self.rollout.phase != ("done" if good else "rolled_back"):
            self.violations.append(f"the rollout ends as {self.rollout.phase}")
        if not good and len(self.touched) > self.settings.canary_sites:
            self.violations.append(f"a bad model was ordered at {sorted(self.touched)}")
