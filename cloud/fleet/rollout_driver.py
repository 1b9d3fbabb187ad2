"""Drives rollouts: the pure state machine of `cloud.fleet.rollout`, fed from the store, its orders sent.

State and orders are stored before anything is sent, so a crash sends an order again rather than never, and
an order that the hub did not take is owed until it does.
One rollout for service is under way at a time. Safe to call from several threads.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from ulid import ULID

from cloud.errors import NotNow
from cloud.fleet.publisher import Publisher
from cloud.fleet.rollout import (
    Advance,
    FleetWord,
    RolloutPhase,
    RolloutState,
    advance,
    needs_order,
    orders_of,
    plan_rollout,
    roll_back,
)
from cloud.settings import RolloutSettings
from cloud.store.records import IssuedOrder, Rollout
from cloud.store.release_store import ReleaseStore
from cloud.store.report_store import ReportStore
from messaging.releases import Channel, RolloutOrder
from messaging.reports import SwapOutcome, SwapReason, SwapReceipt


class RolloutDriver:
    """Begins rollouts and moves them on, one step a call."""

    def __init__(
        self,
        reports: ReportStore,
        releases: ReleaseStore,
        publisher: Publisher,
        settings: RolloutSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reports, self._releases, self._publisher = reports, releases, publisher
        self._settings, self._clock = settings, clock
        self._lock = threading.RLock()
        self._owed: dict[str, RolloutOrder] = {}

    def begin(
        self,
        rollout: str,
        digest: str,
        channel: Channel,
        *,
        previous: str | None,
        sites: Sequence[str],
        campaign: str | None = None,
    ) -> Rollout:
        """Store a new rollout, or find the one of that name. Raises `NotNow` without sites."""
        with self._lock:
            known = [r for r in self._releases.rollouts(limit=1000) if r.id == rollout]
            if known:
                return known[0]
            now = self._now()
            state = plan_rollout(digest, previous, channel, sites=sites, settings=self._settings, now_utc=now)
            row = Rollout(rollout, campaign, digest, previous, "", False, {}, "", now, now)
            return self._store(row, Advance(state, ()))

    def step(self, rollout: str) -> Rollout:
        """Take in what the fleet said, store, send."""
        with self._lock:
            row = self._releases.rollout(rollout)
            state = RolloutState.from_json(row.state)
            if state.final:
                return row
            result = advance(state, self._settings, self._word(), self._now())
            if result.state == state and not result.orders:
                return row
            return self._store(row, result)

    def step_all(self) -> None:
        """One step for every rollout that is under way."""
        for row in self._releases.rollouts(limit=100):
            if not RolloutState.from_json(row.state).final:
                self.step(row.id)

    def send_again(self) -> None:
        """After a start: send again what may be lost; sites take each order once.

        That is the last orders of unfinished rollouts, and those that a site has not answered yet.
        """
        with self._lock:
            last = self._last_orders()
            for order in (last[site] for site in self._enrolled() if site in last):
                if self._now() < order.expires_at_utc and not self._answered(order):
                    self._owed[order.site] = order
            for order in (o for state in self._under_way() for o in orders_of(state, self._settings)):
                if order.site not in last or order.sequence >= last[order.site].sequence:
                    self._owed[order.site] = order
            self._send_owed()

    def welcome(self) -> None:
        """Order the model in service for newcomers, and for sites whose order for it ran out.

        What could not be sent before goes first. Sites in a rollout that is under way are left to it.
        """
        with self._lock:
            self._send_owed()
            model = self._releases.current_service()
            if model is None:
                return
            for site in self._to_welcome(model.digest):
                self.send_single(site, model.digest, Channel.SERVICE)

    # -- what people ask for -------------------------------------------------------------------------

    def start(self, digest: str) -> Rollout:
        """Roll a release for service out by hand. Raises `NotKnown`, `NotNow`."""
        release = self._releases.release(digest)
        if release.channel != Channel.SERVICE:
            raise NotNow(f"release {release.digest[:12]} is for trial only; it must be promoted first")
        for row in self._releases.rollouts():
            state = RolloutState.from_json(row.state)
            if not state.final and state.channel is Channel.SERVICE:
                raise NotNow(f"rollout {row.id} is under way; wait for it, or roll it back")
        row = self.begin(
            str(ULID()),
            release.digest,
            Channel.SERVICE,
            previous=self._previous(release.digest),
            sites=self.sites(),
        )
        return self.step(row.id)

    def pause(self, rollout: str, paused: bool) -> Rollout:
        """Order no further group, or go on. Raises `NotKnown`, `NotNow`."""
        with self._lock:
            row = self._releases.rollout(rollout)
            state = RolloutState.from_json(row.state)
            if state.final:
                raise NotNow(f"rollout {rollout} is {state.phase}; there is nothing to pause")
            changed = RolloutState.from_json({**state.to_json(), "paused": paused})
            return self._store(row, Advance(changed, ()))

    def roll_back(self, rollout: str) -> Rollout:
        """Order every site back to the model before. Raises `NotKnown`, `NotNow`."""
        with self._lock:
            row = self._releases.rollout(rollout)
            state = RolloutState.from_json(row.state)
            if state.previous_digest is None:
                raise NotNow(
                    f"rollout {rollout} put the first model into service; there is none to go back to"
                )
            word = self._word()
            return self._store(
                row, roll_back(state, self._settings, word, self._now(), reason="an operator asked for it")
            )

    def sites(self) -> list[str]:
        """Sites that take part in a rollout, by name: enrolled, and heard at least once.

        One that is not installed yet could only be silent; it is welcomed when it comes up.
        """
        heard = {beat.site for beat in self._reports.heartbeats()}
        return [site for site in self._enrolled() if site in heard]

    def send_single(
        self, site: str, digest: str, channel: Channel, *, downgrade: bool = False
    ) -> RolloutOrder:
        """One order outside a rollout (to end a shadow run)."""
        with self._lock:
            now = self._now()
            order = RolloutOrder(
                site=site,
                sequence=self._releases.last_sequence(site) + 1,
                digest=digest,
                channel=channel,
                issued_at_utc=now,
                expires_at_utc=now + int(self._settings.order_expiry_s),
                downgrade=downgrade,
            )
            self._send([order])
            return order

    # -- inside --------------------------------------------------------------------------------------

    def _store(self, row: Rollout, result: Advance) -> Rollout:
        state = result.state
        values = {
            "phase": str(state.phase),
            "paused": state.paused,
            "state": state.to_json(),
            "reason": state.reason,
        }
        stored = Rollout(**{**row.__dict__, **values, "updated_at": self._now()})
        self._releases.put_rollout(stored)
        self._send(result.orders)
        return self._releases.rollout(row.id)

    def _send(self, orders: Sequence[RolloutOrder]) -> None:
        for order in orders:
            self._releases.put_order(
                IssuedOrder(
                    order.site,
                    order.sequence,
                    order.digest,
                    order.channel,
                    order.issued_at_utc,
                    order.model_dump(mode="json"),
                )
            )
            self._owed[order.site] = order
        self._send_owed()

    def _send_owed(self) -> None:
        """Send what is stored and not yet sent. Raises `WireUnavailable`; the rest is owed still."""
        for site, order in list(self._owed.items()):
            self._publisher.send(order)
            del self._owed[site]

    def _to_welcome(self, model: str) -> list[str]:
        """Sites outside every rollout that are to be ordered the model in service."""
        running = {beat.site: beat.heartbeat.model_digest for beat in self._reports.heartbeats()}
        behind = [site for site in self._enrolled() if running.get(site) != model]
        if not behind:
            return []
        left_alone = {progress.site for state in self._under_way() for progress in state.sites}
        brought, last = self._brought_by_rollout(model), self._last_orders()
        return [
            site
            for site in behind
            if site not in left_alone
            and needs_order(
                order := last.get(site),
                model,
                running=running.get(site),
                newcomer=site not in brought,
                answered=order is not None and self._answered(order),
                now_utc=self._now(),
            )
        ]

    def _enrolled(self) -> list[str]:
        return [site.site for site in self._reports.sites() if not site.revoked]

    def _under_way(self) -> list[RolloutState]:
        states = (RolloutState.from_json(row.state) for row in self._releases.rollouts(limit=100))
        return [state for state in states if not state.final]

    def _brought_by_rollout(self, digest: str) -> set[str]:
        """The sites of the rollouts that put a model into service."""
        rows = [row for row in self._releases.rollouts(limit=1000) if row.digest == digest]
        states = [RolloutState.from_json(row.state) for row in rows]
        done = [s for s in states if s.channel is Channel.SERVICE and s.phase is RolloutPhase.DONE]
        return {progress.site for state in done for progress in state.sites}

    def _last_orders(self) -> dict[str, RolloutOrder]:
        rows = self._releases.last_orders()
        return {site: RolloutOrder.model_validate(row.payload) for site, row in rows.items()}

    def _answered(self, order: RolloutOrder) -> bool:
        return any(row.sequence == order.sequence for row in self._reports.swaps(order.site))

    def _word(self) -> FleetWord:
        receipts: dict[str, list[SwapReceipt]] = defaultdict(list)
        for row in self._reports.swaps():
            receipts[row.site].append(
                SwapReceipt(
                    sequence=row.sequence,
                    digest=row.digest,
                    previous_digest=row.previous_digest,
                    channel=Channel(row.channel),
                    outcome=SwapOutcome(row.outcome),
                    reason=SwapReason(row.reason),
                    frames_lost=row.frames_lost,
                    at_utc=row.at_utc,
                )
            )
        return FleetWord(
            receipts=receipts,
            heartbeats={beat.site: beat.received_at for beat in self._reports.heartbeats()},
            sequences={site.site: self._releases.last_sequence(site.site) for site in self._reports.sites()},
        )

    def _previous(self, digest: str) -> str | None:
        current = self._releases.current_service()
        return current.digest if current is not None and current.digest != digest else None

    def _now(self) -> int:
        return int(self._clock())
