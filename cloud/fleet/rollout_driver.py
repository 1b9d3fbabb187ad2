"""Runs the state machine of `cloud.fleet.rollout` over the store and sends its orders to the hub.

State and orders are stored before anything is sent, so after a crash an order is sent again rather than lost;
an order that the hub did not accept is kept and sent with the next call. At most one rollout of a role for
service is under way. Safe to call from several threads.
"""

import threading
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import replace

from ulid import ULID

from cloud.errors import NotNow
from cloud.fleet.canaries import canaries_first
from cloud.fleet.publisher import Publisher
from cloud.fleet.rollout import RolloutStep, advance, approve, needs_order, orders_of, roll_back, stop
from cloud.fleet.rollout_history import RolloutHistory, fleet_status
from cloud.fleet.rollout_state import RolloutPhase, RolloutState, plan_rollout, rollout_text
from cloud.settings import RolloutSettings
from cloud.store.records import Downgrade, IssuedOrder, Release, Rollout, RolloutEvent
from cloud.store.release_store import ReleaseStore
from cloud.store.report_store import ReportStore
from messaging.releases import Channel, Role, RolloutOrder
from messaging.reports import Heartbeat
from messaging.taxonomy import Condition
from messaging.trust.tickets import DowngradeTicket

COVERED_S = 7 * 86400
CLOUD = "the cloud"
"""Who did what no person asked for, in events and the audit log. No operator's name has a space."""


class RolloutDriver:
    """Starts rollouts and advances them, one step per call."""

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
        self._history = RolloutHistory(releases)
        self._lock = threading.RLock()
        self._unsent: dict[tuple[str, Role], RolloutOrder] = {}

    def begin(
        self,
        rollout: str,
        digest: str,
        channel: Channel,
        *,
        previous: str | None,
        sites: Sequence[str],
        campaign: str | None = None,
        role: Role = Role.DETECTOR,
        conditions: Set[Condition] = frozenset(),
        by: str = CLOUD,
        ticket: DowngradeTicket | None = None,
    ) -> Rollout:
        """Store a new rollout, or return the stored one of that name. Raises `NotNow` without sites.

        Its canary is chosen from the sites; `conditions` are those that the release is to improve. `by` is
        who started it, `ticket` permits a release that is older than the one in service.
        """
        with self._lock:
            known = [r for r in self._releases.rollouts(limit=1000) if r.id == rollout]
            if known:
                return known[0]
            now = self._now()
            state = plan_rollout(
                digest,
                previous,
                channel,
                sites=self.canaries_first(sites, conditions),
                settings=self._settings,
                now_utc=now,
                role=role,
            )
            if ticket is not None:
                state = replace(state, downgrade=Downgrade.SITES if ticket.sites else Downgrade.FLEET)
            row = Rollout(rollout, campaign, digest, previous, "", False, {}, "", now, now)
            return self._store(row, RolloutStep(state, ()), by=by, action="started")

    def step(self, rollout: str) -> Rollout:
        """Advance one rollout by the fleet's present status: store the new state, send its orders."""
        with self._lock:
            row, state = self._state(rollout)
            if state.final:
                return row
            result = advance(state, self._settings, fleet_status(self._reports, self._releases), self._now())
            if result.state == state and not result.orders:
                return row
            return self._store(row, result)

    def step_all(self) -> None:
        """One step for every rollout that is under way."""
        for row in self._releases.rollouts(limit=100):
            if not RolloutState.from_json(row.state).final:
                self.step(row.id)

    def send_again(self) -> None:
        """Send again, after a restart, every order that may be lost; a site applies each order once.

        These are the last orders of unfinished rollouts, and orders without a receipt.
        """
        with self._lock:
            for role in Role:
                self._find_unsent(role)
            self._send_unsent()

    def send_last_orders(self) -> None:
        """Send each site's last order of each role again, unless it has expired: the hub has lost them."""
        with self._lock:
            for role in Role:
                last = self._last_orders(role)
                for order in (last[site] for site in self._enrolled() if site in last):
                    if self._now() < order.expires_at_utc:
                        self._unsent.setdefault((order.site, role), order)
            self._send_unsent()

    def _find_unsent(self, role: Role) -> None:
        last = self._last_orders(role)
        for order in (last[site] for site in self._enrolled() if site in last):
            if self._now() < order.expires_at_utc and not self._answered(order):
                self._unsent[order.site, role] = order
        for _, state in self._history.under_way(role):
            for order in orders_of(state, self._settings):
                if order.site not in last or order.sequence >= last[order.site].sequence:
                    self._unsent[order.site, role] = order

    def order_for_new_sites(self) -> None:
        """Send unsent orders, then order detector and teacher in service for sites without them.

        Sites whose order for it expired get a new one; sites of a rollout under way are left to that rollout.
        """
        with self._lock:
            self._send_unsent()
            for role in Role:
                model = self._releases.current_service(role)
                if model is not None:
                    for site in self._sites_without_model(model.digest, role):
                        self.send_single(site, model.digest, Channel.SERVICE, role=role)

    # -- for operators ------------------------------------------------------------------------------

    def start(self, digest: str, by: str) -> Rollout:
        """Roll out a release of channel `service`, for an operator. Raises `NotKnown`, `NotNow`."""
        release = self._releases.release(digest)
        if release.channel != Channel.SERVICE:
            raise NotNow(f"release {release.digest[:12]} is for trial only; it must be promoted first")
        previous = self._releases.current_service(release.role, before=release.digest)
        ticket = None
        if previous is not None and previous.version > release.version:
            ticket = self._ticket(release)
        limits = ticket.sites if ticket else ()
        with self._lock:
            self.refuse_another(release.role)
            row = self.begin(
                str(ULID()),
                release.digest,
                Channel.SERVICE,
                previous=previous.digest if previous else None,
                sites=[site for site in self.sites(release.role) if not limits or site in limits],
                role=release.role,
                by=by,
                ticket=ticket,
            )
            return self.step(row.id)

    def _ticket(self, release: Release) -> DowngradeTicket:
        """The valid downgrade ticket of a release. Raises `NotNow` without one."""
        ticket = self._publisher.ticket(release.digest)
        if ticket is not None and self._now() < ticket.expires_at_utc:
            return ticket
        raise NotNow(
            f"release {release.digest[:12]} is older than the one in service and has no valid downgrade "
            f"ticket; sign one with `blindspot models ticket {release.digest[:12]}`"
        )

    def refuse_another(self, role: Role) -> None:
        """Raise `NotNow` while a rollout of this role for service is under way."""
        for row, state in self._history.under_way(role):
            if state.channel is Channel.SERVICE:
                raise NotNow(
                    f"{rollout_text(row.id, state)} is under way; wait for it, stop it or roll it back"
                )

    def pause(self, rollout: str, paused: bool, by: str) -> Rollout:
        """Pause or resume a rollout. Raises `NotKnown`, `NotNow`."""
        with self._lock:
            row, state = self._state(rollout)
            if state.final or state.phase is RolloutPhase.ROLLING_BACK:
                raise NotNow(f"rollout {rollout} is {state.phase}; there is nothing to pause")
            if state.paused is paused:
                raise NotNow(f"rollout {rollout} is {'paused already' if paused else 'not paused'}")
            step = RolloutStep(replace(state, paused=paused), ())
            return self._store(row, step, by=by, action="paused" if paused else "resumed")

    def approve(self, rollout: str, by: str, group: str | None = None) -> Rollout:
        """Let a rollout enter the group that waits for approval, `group`. Raises `NotKnown`, `NotNow`."""
        with self._lock:
            row, state = self._state(rollout)
            step = RolloutStep(approve(state, self._now(), group), ())
            return self._store(row, step, by=by, action="approved", note=step.state.phase)

    def stop(self, rollout: str, by: str) -> Rollout:
        """End a rollout at once; no site changes its model any more. Raises `NotKnown`, `NotNow`."""
        with self._lock:
            row, state = self._state(rollout)
            reason, fleet = f"{by} stopped it", fleet_status(self._reports, self._releases)
            result = stop(state, self._settings, fleet, self._now(), reason=reason)
            return self._store(row, result, by=by, action="stopped")

    def roll_back(self, rollout: str, by: str) -> Rollout:
        """Order every site back to the previous model. Raises `NotKnown`, `NotNow`."""
        with self._lock:
            row, state = self._state(rollout)
            if state.previous_digest is None:
                raise NotNow(
                    f"rollout {rollout} put the first model in service; there is no previous one to run"
                )
            newest = self._history.for_service(state.role)[0][0]
            if newest.id != row.id:
                raise NotNow(f"rollout {newest.id} came after {rollout}; roll that one back")
            reason, fleet = f"{by} rolled it back", fleet_status(self._reports, self._releases)
            result = roll_back(state, self._settings, fleet, self._now(), reason=reason)
            return self._store(row, result, by=by, action="ordered_back")

    def sites(self, role: Role = Role.DETECTOR) -> list[str]:
        """Names of the sites that take part in rollouts: enrolled, with at least one heartbeat.

        A site that is not installed yet could only time out; it gets its order when it starts. A site that
        by its configuration runs no teacher, or one of its own, takes no part in rollouts of teachers.
        """
        beats, known = self._reports.heartbeats(), {release.digest for release in self._releases.releases()}
        taking = {b.site for b in beats if role is Role.DETECTOR or _takes_teachers(b.heartbeat, known)}
        return [site for site in self._enrolled() if site in taking]

    def canaries_first(self, sites: Sequence[str], wanted: Set[Condition] = frozenset()) -> list[str]:
        """The sites, those that a release should run at first in front; see `cloud.fleet.canaries`."""
        return canaries_first(
            sites,
            self._settings.canary_sites,
            covered=self._reports.conditions(since_utc=self._now() - COVERED_S),
            wanted=wanted,
            turns=self._history.canary_turns(),
        )

    def send_single(
        self,
        site: str,
        digest: str,
        channel: Channel,
        *,
        downgrade: bool = False,
        role: Role = Role.DETECTOR,
    ) -> RolloutOrder:
        """Send one order outside a rollout (to end a shadow run)."""
        with self._lock:
            now = self._now()
            order = RolloutOrder(
                site=site,
                role=role,
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

    def _store(
        self, row: Rollout, result: RolloutStep, *, by: str = CLOUD, action: str = "", note: str = ""
    ) -> Rollout:
        """Store a step and what it was, then send its orders."""
        state, awaited = result.state, row.state.get("awaiting")
        done = [(by, action, note)] if action else []
        if state.phase != row.phase and action != "approved":
            done.append((CLOUD, state.phase, state.reason))
        if state.awaiting is not None and state.awaiting != awaited:
            done.append((CLOUD, "awaits_approval", state.awaiting))
        stored = replace(
            row, phase=str(state.phase), paused=state.paused, state=state.to_json(), reason=state.reason
        )
        self._releases.put_rollout(stored, [RolloutEvent(row.id, self._now(), *event) for event in done])
        self._send(result.orders)
        return self._releases.rollout(row.id)

    def _state(self, rollout: str) -> tuple[Rollout, RolloutState]:
        row = self._releases.rollout(rollout)
        return row, RolloutState.from_json(row.state)

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
                    order.role,
                )
            )
            self._unsent[order.site, order.role] = order
        self._send_unsent()

    def _send_unsent(self) -> None:
        """Send orders that are stored but not sent. Raises `WireUnavailable`; unsent ones are kept.

        Orders for revoked sites are dropped."""
        revoked = self._reports.revoked_sites()
        for key, order in list(self._unsent.items()):
            if order.site not in revoked:
                self._publisher.send(order)
            del self._unsent[key]

    def _sites_without_model(self, model: str, role: Role) -> list[str]:
        """Sites outside every rollout of a role that need an order for its model in service."""
        running = {beat.site: _running(beat.heartbeat, role) for beat in self._reports.heartbeats()}
        taking = set(self.sites(role))
        behind = [
            site
            for site in self._enrolled()
            if running.get(site) != model and (site in taking or site not in running)
        ]
        if not behind:
            return []
        left_to_rollouts = [
            *(state for _, state in self._history.under_way(role)),
            *self._history.halted(role),
        ]
        in_rollout = {progress.site for state in left_to_rollouts for progress in state.sites}
        rolled_out, last = self._history.sites_rolled_out(model, role), self._last_orders(role)
        return [
            site
            for site in behind
            if site not in in_rollout
            and needs_order(
                order := last.get(site),
                model,
                running=running.get(site),
                missed_rollout=site not in rolled_out,
                answered=order is not None and self._answered(order),
                now_utc=self._now(),
            )
        ]

    def _enrolled(self) -> list[str]:
        return [site.site for site in self._reports.sites() if not site.revoked]

    def _last_orders(self, role: Role) -> dict[str, RolloutOrder]:
        rows = self._releases.last_orders(role)
        return {site: RolloutOrder.model_validate(row.payload) for site, row in rows.items()}

    def _answered(self, order: RolloutOrder) -> bool:
        return any(row.sequence == order.sequence for row in self._reports.swaps(order.site))

    def _now(self) -> int:
        return int(self._clock())


def _running(beat: Heartbeat, role: Role) -> str | None:
    """Digest of the model of a role that a site runs."""
    return beat.model_digest if role is Role.DETECTOR else beat.teacher_digest


def _takes_teachers(beat: Heartbeat, released: Set[str]) -> bool:
    """Whether a site runs the fleet's teacher, or waits for it."""
    return beat.teacher_fraction is not None and beat.teacher_digest in (None, *released)
