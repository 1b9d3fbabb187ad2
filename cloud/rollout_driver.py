"""Drives rollouts: the pure state machine of `cloud.rollout`, fed from the store, its orders sent.

State and orders are stored before anything is sent, so a crash sends an order again rather than never.
One rollout for service is under way at a time. Safe to call from several threads.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from ulid import ULID

from cloud.errors import NotNow
from cloud.publisher import Publisher
from cloud.records import IssuedOrder, Rollout
from cloud.release_store import ReleaseStore
from cloud.report_store import ReportStore
from cloud.rollout import Advance, FleetWord, RolloutState, advance, orders_of, plan_rollout, roll_back
from cloud.settings import RolloutSettings
from messaging.releases import RolloutOrder, Stage
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

    def begin(
        self,
        rollout: str,
        digest: str,
        stage: Stage,
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
            state = plan_rollout(digest, previous, stage, sites=sites, settings=self._settings, now_utc=now)
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
        """After a start: send the last orders of unfinished rollouts again; sites take each once."""
        for row in self._releases.rollouts(limit=100):
            state = RolloutState.from_json(row.state)
            if not state.final:
                for order in orders_of(state, self._settings):
                    self._publisher.send(order)

    def welcome(self) -> None:
        """Order the model in service for every site that was never sent an order."""
        model = self._releases.current_service()
        if model is None:
            return
        for site in self.sites():
            if self._releases.last_sequence(site) == 0:
                self.send_single(site, model.digest, Stage.SERVICE)

    # -- what people ask for -------------------------------------------------------------------------

    def start(self, digest: str) -> Rollout:
        """Roll a release for service out by hand. Raises `NotKnown`, `NotNow`."""
        release = self._releases.release(digest)
        if release.stage != Stage.SERVICE:
            raise NotNow(f"release {release.digest[:12]} is for trial only; it must be promoted first")
        for row in self._releases.rollouts():
            state = RolloutState.from_json(row.state)
            if not state.final and state.stage is Stage.SERVICE:
                raise NotNow(f"rollout {row.id} is under way; wait for it, or roll it back")
        row = self.begin(
            str(ULID()),
            release.digest,
            Stage.SERVICE,
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
        """Sites that may be ordered, those heard most recently first, then by name."""
        heard = {beat.site: beat.received_at for beat in self._reports.heartbeats()}
        known = [site.site for site in self._reports.sites() if not site.revoked]
        return sorted(known, key=lambda site: (site not in heard, site))

    def send_single(self, site: str, digest: str, stage: Stage, *, downgrade: bool = False) -> RolloutOrder:
        """One order outside a rollout (to end a shadow run)."""
        with self._lock:
            now = self._now()
            order = RolloutOrder(
                site=site,
                sequence=self._releases.last_sequence(site) + 1,
                digest=digest,
                stage=stage,
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
                    order.stage,
                    order.issued_at_utc,
                    order.model_dump(mode="json"),
                )
            )
        for order in orders:
            self._publisher.send(order)

    def _word(self) -> FleetWord:
        receipts: dict[str, list[SwapReceipt]] = defaultdict(list)
        for row in self._reports.swaps():
            receipts[row.site].append(
                SwapReceipt(
                    sequence=row.sequence,
                    digest=row.digest,
                    previous_digest=row.previous_digest,
                    stage=Stage(row.stage),
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
