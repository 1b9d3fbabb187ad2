"""The rollout as a pure state machine: group after group; or halted and rolled back.

`advance` maps a state, the receipts and heartbeats of the fleet and the time to a new state and the orders to
send; nothing is sent or stored here. The state converts to JSON, and `orders_of` builds the same orders again
from it, so a crash between storing and sending loses none. Per site, sequence numbers only increase, across
all rollouts.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from cloud.errors import NotNow
from cloud.fleet.rollout_state import GROUPS, RolloutPhase, RolloutState, SiteProgress, SiteState
from cloud.settings import RolloutSettings
from messaging.releases import Channel, RolloutOrder
from messaging.reports import SwapOutcome, SwapReceipt

BAD_OUTCOMES = (SwapOutcome.REFUSED, SwapOutcome.ROLLED_BACK)
"""A site does not try the same order again after one of these, in whatever order its receipts arrive."""


@dataclass(frozen=True)
class RolloutStep:
    """Result of one step: the state to store, then the orders to send."""

    state: RolloutState
    orders: tuple[RolloutOrder, ...]


@dataclass(frozen=True)
class FleetStatus:
    """What is known of the fleet's sites.

    Attributes:
        receipts: every swap receipt, by site.
        heartbeats: time of each site's last heartbeat, seconds since 1970.
        sequences: the highest sequence number of the orders sent to each site.
        revoked: sites whose credentials are revoked.
        without_frames: sites whose last heartbeat states that no camera gives frames.
    """

    receipts: Mapping[str, Sequence[SwapReceipt]]
    heartbeats: Mapping[str, int]
    sequences: Mapping[str, int]
    revoked: Set[str] = frozenset()
    without_frames: Set[str] = frozenset()


def advance(state: RolloutState, settings: RolloutSettings, fleet: FleetStatus, now_utc: int) -> RolloutStep:
    """Apply the fleet's status, then order a group, enter the next phase, halt, or roll back as is due.

    A paused rollout, or one that waits for approval, orders no further group, but it still halts on failures.
    An idle site neither holds its group nor counts as failed; but no group follows until one site runs the
    release.
    """
    if state.final:
        return RolloutStep(state, ())
    state = _apply_status(state, settings, fleet, now_utc)
    if state.phase is RolloutPhase.ROLLING_BACK:
        return RolloutStep(_finish_rollback(state, settings, now_utc), ())
    if (failure := _too_many_failures(state, settings)) is not None:
        return roll_back(state, settings, fleet, now_utc, reason=failure)
    if state.paused or state.awaiting is not None:
        return RolloutStep(state, ())
    waiting = [p for p in state.sites if p.group is state.phase and p.state is SiteState.WAITING]
    if waiting:
        return _order(state, settings, fleet, now_utc, chosen={p.site for p in waiting}, to=SiteState.ORDERED)
    if any(p.group is state.phase and p.state is SiteState.ORDERED for p in state.sites):
        return RolloutStep(state, ())
    return _next_group(state, settings, fleet, now_utc)


def roll_back(
    state: RolloutState, settings: RolloutSettings, fleet: FleetStatus, now_utc: int, *, reason: str
) -> RolloutStep:
    """Order every site that may run the release back to the one before; without one, only halt.

    Raises `NotNow` when the rollout is rolling back or rolled back already.
    """
    if state.phase in (RolloutPhase.ROLLING_BACK, RolloutPhase.ROLLED_BACK):
        raise NotNow(f"the rollout of {state.digest[:12]} is {state.phase} already")
    if state.previous_digest is None:
        return RolloutStep(_ended(state, RolloutPhase.HALTED, now_utc, reason), ())
    touched = {
        p.site
        for p in state.sites
        if p.state in (SiteState.ORDERED, SiteState.RUNNING, SiteState.LOST, SiteState.IDLE)
    }
    state = _ended(state, RolloutPhase.ROLLING_BACK, now_utc, reason)
    step = _order(state, settings, fleet, now_utc, chosen=touched, to=SiteState.ORDERED_BACK)
    return step if touched else RolloutStep(replace(state, phase=RolloutPhase.ROLLED_BACK), ())


def stop(
    state: RolloutState, settings: RolloutSettings, fleet: FleetStatus, now_utc: int, *, reason: str
) -> RolloutStep:
    """End a rollout at once: no site changes its model any more, those that run the release keep it.

    A site that has not carried out its order yet gets one for the release before, if there is one. Raises
    `NotNow` when the rollout has ended.
    """
    if state.final:
        raise NotNow(f"the rollout of {state.digest[:12]} is {state.phase}; there is nothing to stop")
    state = _apply_status(state, settings, fleet, now_utc)
    recalled = {p.site for p in state.sites if p.state in (SiteState.ORDERED, SiteState.IDLE)}
    state = _ended(state, RolloutPhase.HALTED, now_utc, reason)
    if state.previous_digest is None:
        return RolloutStep(state, ())
    return _order(state, settings, fleet, now_utc, chosen=recalled, to=SiteState.ORDERED_BACK)


def approve(state: RolloutState, now_utc: int, group: str | None = None) -> RolloutState:
    """Enter the group that waits for approval. Raises `NotNow` when none does, or another than `group`."""
    if state.awaiting is None:
        raise NotNow(f"the rollout of {state.digest[:12]} is {state.phase} and waits for no approval")
    if group not in (None, state.awaiting):
        raise NotNow(
            f"the rollout of {state.digest[:12]} waits for approval of {state.awaiting}, not of {group}"
        )
    return replace(state, phase=state.awaiting, awaiting=None, since=now_utc)


def _ended(state: RolloutState, phase: RolloutPhase, now_utc: int, reason: str) -> RolloutState:
    """The state in one of the phases after which no group is ordered."""
    return replace(state, phase=phase, reason=reason, since=now_utc, paused=False, awaiting=None)


def orders_of(state: RolloutState, settings: RolloutSettings) -> tuple[RolloutOrder, ...]:
    """The last order of every site that has one and is not revoked; sending it again is harmless."""
    current = (p for p in state.sites if p.state is not SiteState.REVOKED)
    return tuple(_order_for(state, settings, p) for p in current if p.sequence)


def needs_order(
    last: RolloutOrder | None,
    model: str,
    *,
    running: str | None,
    missed_rollout: bool,
    answered: bool,
    now_utc: int,
) -> bool:
    """Whether a site outside every rollout needs an order for the model of a role in service.

    Args:
        last: the newest order of the site and role, if any.
        model: digest of the model in service.
        running: digest of the model of the role that the site runs by its last heartbeat; None without one.
        missed_rollout: whether the site was not part of the rollout that put the model in service.
        answered: whether a receipt for `last` has arrived.
        now_utc: seconds since 1970.
    """
    if last is None:
        return True
    if running == model or last.channel is Channel.TRIAL:
        return False
    if last.digest != model:
        return missed_rollout
    return now_utc >= last.expires_at_utc and (running is None or not answered)


def _apply_status(
    state: RolloutState, settings: RolloutSettings, fleet: FleetStatus, now_utc: int
) -> RolloutState:
    sites = tuple(_site_after(state, settings, fleet, now_utc, p) for p in state.sites)
    return state if sites == state.sites else replace(state, sites=sites, since=now_utc)


def _site_after(
    state: RolloutState, settings: RolloutSettings, fleet: FleetStatus, now_utc: int, progress: SiteProgress
) -> SiteProgress:
    if progress.site in fleet.revoked or progress.state is SiteState.REVOKED:
        return replace(progress, state=SiteState.REVOKED, reason="")
    back = progress.state in (SiteState.ORDERED_BACK, SiteState.ROLLED_BACK)
    receipts = fleet.receipts.get(progress.site, ())
    for receipt in sorted(receipts, key=lambda receipt: receipt.outcome in BAD_OUTCOMES):
        if receipt.sequence == progress.sequence and progress.sequence:
            progress = _apply_receipt(progress, receipt, _good_outcomes(state, back), back)
    if progress.state in (SiteState.ORDERED, SiteState.RUNNING) and _without_heartbeat(
        progress, settings, fleet, now_utc
    ):
        return replace(progress, state=SiteState.LOST, reason="no heartbeat")
    if progress.state is not SiteState.ORDERED:
        return progress
    waited_s = now_utc - progress.ordered_at
    if waited_s > settings.heartbeat_missing_s and progress.site in fleet.without_frames:
        return replace(progress, state=SiteState.IDLE, reason="its cameras give no frames")
    if waited_s > settings.phase_deadline_s:
        return replace(progress, state=SiteState.LOST, reason="no receipt")
    return progress


def _good_outcomes(state: RolloutState, back: bool) -> tuple[SwapOutcome, ...]:
    if back:
        return (SwapOutcome.INSTALLED,)
    if state.channel is Channel.TRIAL:
        return (SwapOutcome.SHADOWING,)
    return (SwapOutcome.INSTALLED,)


def _apply_receipt(
    progress: SiteProgress, receipt: SwapReceipt, good: tuple[SwapOutcome, ...], back: bool
) -> SiteProgress:
    if receipt.outcome in good:
        return replace(progress, state=SiteState.ROLLED_BACK if back else SiteState.RUNNING, reason="")
    if receipt.outcome in BAD_OUTCOMES:
        return replace(progress, state=SiteState.FAILED, reason=str(receipt.reason))
    return progress


def _without_heartbeat(
    progress: SiteProgress, settings: RolloutSettings, fleet: FleetStatus, now_utc: int
) -> bool:
    last = max(progress.ordered_at, fleet.heartbeats.get(progress.site, 0))
    return now_utc - last > settings.heartbeat_missing_s


def _too_many_failures(state: RolloutState, settings: RolloutSettings) -> str | None:
    """Why the rollout must halt: more than `stop_fraction` of a group failed (of a small group, one site)."""
    for group in GROUPS:
        left_out = (SiteState.REVOKED, SiteState.IDLE)
        members = [p for p in state.sites if p.group is group and p.state not in left_out]
        bad = [p for p in members if p.state in (SiteState.FAILED, SiteState.LOST)]
        if bad and len(bad) > settings.stop_fraction * len(members):
            causes = ", ".join(sorted({p.reason for p in bad}))
            return f"{len(bad)} of {len(members)} sites of group {group} failed: {causes}"
    return None


def _next_group(
    state: RolloutState, settings: RolloutSettings, fleet: FleetStatus, now_utc: int
) -> RolloutStep:
    """Enter the next group, or end the rollout, once the hold of the present group is over.

    A trial is not held: it is done when the shadow runs have begun. While every site so far is idle, the
    release was tried nowhere, and the rollout waits.
    """
    ordered = [p for p in state.sites if p.sequence]
    if ordered and all(p.state is SiteState.IDLE for p in ordered):
        return RolloutStep(state, ())
    if state.channel is Channel.SERVICE and now_utc - state.since < settings.hold_s:
        return RolloutStep(state, ())
    later = GROUPS[GROUPS.index(state.phase) + 1 :]
    following = next((g for g in later if any(p.group is g for p in state.sites)), None)
    if following is None:
        return RolloutStep(_ended(state, RolloutPhase.DONE, now_utc, ""), ())
    if following in settings.approval_before:
        return RolloutStep(replace(state, awaiting=following), ())
    return advance(replace(state, phase=following, since=now_utc), settings, fleet, now_utc)


def _finish_rollback(state: RolloutState, settings: RolloutSettings, now_utc: int) -> RolloutState:
    open_sites = [p for p in state.sites if p.state is SiteState.ORDERED_BACK]
    if not open_sites or now_utc - max(p.ordered_at for p in open_sites) > settings.phase_deadline_s:
        return replace(state, phase=RolloutPhase.ROLLED_BACK, since=now_utc)
    return state


def _order(
    state: RolloutState,
    settings: RolloutSettings,
    fleet: FleetStatus,
    now_utc: int,
    *,
    chosen: Iterable[str],
    to: SiteState,
) -> RolloutStep:
    wanted = set(chosen)
    sites = tuple(
        replace(
            p,
            state=to,
            sequence=max(p.sequence, fleet.sequences.get(p.site, 0)) + 1,
            ordered_at=now_utc,
        )
        if p.site in wanted
        else p
        for p in state.sites
    )
    state = replace(state, sites=sites)
    return RolloutStep(state, tuple(_order_for(state, settings, p) for p in sites if p.site in wanted))


def _order_for(state: RolloutState, settings: RolloutSettings, progress: SiteProgress) -> RolloutOrder:
    back = (
        state.previous_digest if progress.state in (SiteState.ORDERED_BACK, SiteState.ROLLED_BACK) else None
    )
    return RolloutOrder(
        site=progress.site,
        role=state.role,
        sequence=progress.sequence,
        digest=back or state.digest,
        channel=Channel.SERVICE if back else state.channel,
        issued_at_utc=progress.ordered_at,
        expires_at_utc=progress.ordered_at + int(settings.order_expiry_s),
        downgrade=back is not None or state.downgrade is not None,
    )
