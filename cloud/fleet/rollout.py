"""Canary -> share -> all, or halt and roll back: a pure state machine over receipts and heartbeats.

State in, state and orders out; clock, receipts and heartbeats are arguments, nothing is sent or stored
here. The state is JSON-able, and `orders_of` tells the same orders again, so a crash between storing and
sending loses none. Sequence numbers only go up, per site, across all rollouts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from cloud.errors import NotNow
from cloud.settings import RolloutSettings
from messaging.releases import Channel, RolloutOrder
from messaging.reports import SwapOutcome, SwapReceipt


class RolloutPhase(StrEnum):
    """Where a rollout stands. The last three are final."""

    CANARY = "canary"
    SHARE = "share"
    ALL = "all"
    ROLLING_BACK = "rolling_back"
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    HALTED = "halted"


GROUPS = (RolloutPhase.CANARY, RolloutPhase.SHARE, RolloutPhase.ALL)
FINAL = (RolloutPhase.DONE, RolloutPhase.ROLLED_BACK, RolloutPhase.HALTED)


class SiteState(StrEnum):
    """Where one site stands in a rollout."""

    WAITING = "waiting"
    ORDERED = "ordered"
    HELD = "held"
    FAILED = "failed"
    SILENT = "silent"
    ORDERED_BACK = "ordered_back"
    BACK = "back"


@dataclass(frozen=True)
class SiteProgress:
    """One site: the group it belongs to, its state, the last order it was sent, and why it failed."""

    site: str
    group: RolloutPhase
    state: SiteState = SiteState.WAITING
    sequence: int = 0
    ordered_at: int = 0
    reason: str = ""


@dataclass(frozen=True)
class RolloutState:
    """A whole rollout. `since`: when the phase began, or a site of it last changed state if that is later."""

    digest: str
    previous_digest: str | None
    channel: Channel
    phase: RolloutPhase
    since: int
    sites: tuple[SiteProgress, ...]
    paused: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        names = [progress.site for progress in self.sites]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"a rollout needs distinct sites, at least one; got {names}")

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self.phase in FINAL

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers."""
        return {**asdict(self), "sites": [asdict(progress) for progress in self.sites]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RolloutState":
        """What `to_json` gave."""
        sites = tuple(
            SiteProgress(**{**row, "group": RolloutPhase(row["group"]), "state": SiteState(row["state"])})
            for row in data["sites"]
        )
        return cls(
            **{
                **data,
                "channel": Channel(data["channel"]),
                "phase": RolloutPhase(data["phase"]),
                "sites": sites,
            }
        )


@dataclass(frozen=True)
class Advance:
    """What one step gave: the state to store, then the orders to send."""

    state: RolloutState
    orders: tuple[RolloutOrder, ...]


@dataclass(frozen=True)
class FleetWord:
    """What the fleet has said.

    Attributes:
        receipts: every known receipt by site.
        heartbeats: seconds since 1970 of each site's last heartbeat.
        sequences: the highest order sequence that each site was ever sent.
    """

    receipts: Mapping[str, Sequence[SwapReceipt]]
    heartbeats: Mapping[str, int]
    sequences: Mapping[str, int]


def plan_rollout(
    digest: str,
    previous_digest: str | None,
    channel: Channel,
    *,
    sites: Sequence[str],
    settings: RolloutSettings,
    now_utc: int,
) -> RolloutState:
    """A rollout that has not begun: the first sites are the canary, then up to `share` of all, then the rest.

    Raises `NotNow` without sites.
    """
    if not sites:
        raise NotNow(f"release {digest[:12]} has no site to go to; enrol one and start it first")
    canary = settings.canary_sites
    share = max(canary, math.ceil(settings.share * len(sites)))
    progress = tuple(
        SiteProgress(
            site, RolloutPhase.CANARY if i < canary else RolloutPhase.SHARE if i < share else RolloutPhase.ALL
        )
        for i, site in enumerate(sites)
    )
    return RolloutState(digest, previous_digest, channel, RolloutPhase.CANARY, now_utc, progress)


def advance(state: RolloutState, settings: RolloutSettings, word: FleetWord, now_utc: int) -> Advance:
    """Take in what the fleet said and do what is due: order a group, go on, halt, or roll back.

    A paused rollout orders no further group; it still halts.
    """
    if state.final:
        return Advance(state, ())
    state = _heard(state, settings, word, now_utc)
    if state.phase is RolloutPhase.ROLLING_BACK:
        return Advance(_maybe_rolled_back(state, settings, now_utc), ())
    if (failure := _too_many(state, settings)) is not None:
        return roll_back(state, settings, word, now_utc, reason=failure)
    if state.paused:
        return Advance(state, ())
    waiting = [p for p in state.sites if p.group is state.phase and p.state is SiteState.WAITING]
    if waiting:
        return _order(state, settings, word, now_utc, chosen={p.site for p in waiting}, to=SiteState.ORDERED)
    if any(p.group is state.phase and p.state is SiteState.ORDERED for p in state.sites):
        return Advance(state, ())
    return _next_group(state, settings, word, now_utc)


def pause(state: RolloutState) -> RolloutState:
    """Order no further group."""
    return replace(state, paused=True)


def resume(state: RolloutState) -> RolloutState:
    """Go on where it paused."""
    return replace(state, paused=False)


def roll_back(
    state: RolloutState, settings: RolloutSettings, word: FleetWord, now_utc: int, *, reason: str
) -> Advance:
    """Order every site that may run the release back to the one before; without one, only halt.

    Raises `NotNow` when it is rolling or rolled back already.
    """
    if state.phase in (RolloutPhase.ROLLING_BACK, RolloutPhase.ROLLED_BACK, RolloutPhase.HALTED):
        raise NotNow(f"the rollout of {state.digest[:12]} is {state.phase} already")
    if state.previous_digest is None:
        return Advance(replace(state, phase=RolloutPhase.HALTED, reason=reason, since=now_utc), ())
    touched = {
        p.site for p in state.sites if p.state in (SiteState.ORDERED, SiteState.HELD, SiteState.SILENT)
    }
    state = replace(state, phase=RolloutPhase.ROLLING_BACK, reason=reason, since=now_utc)
    step = _order(state, settings, word, now_utc, chosen=touched, to=SiteState.ORDERED_BACK)
    return step if touched else Advance(replace(state, phase=RolloutPhase.ROLLED_BACK), ())


def orders_of(state: RolloutState, settings: RolloutSettings) -> tuple[RolloutOrder, ...]:
    """The last order of every site that was sent one: sending them again does no harm."""
    return tuple(_order_for(state, settings, p) for p in state.sites if p.sequence)


def needs_order(
    last: RolloutOrder | None,
    model: str,
    *,
    running: str | None,
    newcomer: bool,
    answered: bool,
    now_utc: int,
) -> bool:
    """Whether a site outside every rollout is to be ordered the model in service.

    Args:
        last: the newest order that the site was sent.
        model: digest of the model in service.
        running: digest of what the site runs by its last heartbeat.
        newcomer: whether the site was missing from the rollout that put the model into service.
        answered: whether the site has answered `last`.
        now_utc: seconds since 1970.
    """
    if last is None:
        return True
    if running == model or last.channel is Channel.TRIAL:
        return False
    if last.digest != model:
        return newcomer
    return now_utc >= last.expires_at_utc and (running is None or not answered)


def _heard(state: RolloutState, settings: RolloutSettings, word: FleetWord, now_utc: int) -> RolloutState:
    sites = tuple(_site_heard(state, settings, word, now_utc, p) for p in state.sites)
    return state if sites == state.sites else replace(state, sites=sites, since=now_utc)


def _site_heard(
    state: RolloutState, settings: RolloutSettings, word: FleetWord, now_utc: int, progress: SiteProgress
) -> SiteProgress:
    back = progress.state in (SiteState.ORDERED_BACK, SiteState.BACK)
    for receipt in word.receipts.get(progress.site, ()):
        if receipt.sequence == progress.sequence and progress.sequence:
            progress = _told(progress, receipt, _good_outcomes(state, back), back)
    if progress.state in (SiteState.ORDERED, SiteState.HELD) and _silent(progress, settings, word, now_utc):
        return replace(progress, state=SiteState.SILENT, reason="no heartbeat")
    late = now_utc - progress.ordered_at > settings.phase_deadline_s
    if progress.state is SiteState.ORDERED and late:
        return replace(progress, state=SiteState.SILENT, reason="no receipt")
    return progress


def _good_outcomes(state: RolloutState, back: bool) -> tuple[SwapOutcome, ...]:
    if back:
        return (SwapOutcome.INSTALLED,)
    if state.channel is Channel.TRIAL:
        return (SwapOutcome.SHADOWING,)
    return (SwapOutcome.INSTALLED,)


def _told(
    progress: SiteProgress, receipt: SwapReceipt, good: tuple[SwapOutcome, ...], back: bool
) -> SiteProgress:
    if receipt.outcome in good:
        return replace(progress, state=SiteState.BACK if back else SiteState.HELD, reason="")
    if receipt.outcome in (SwapOutcome.REFUSED, SwapOutcome.ROLLED_BACK):
        return replace(progress, state=SiteState.FAILED, reason=str(receipt.reason))
    return progress


def _silent(progress: SiteProgress, settings: RolloutSettings, word: FleetWord, now_utc: int) -> bool:
    heard = max(progress.ordered_at, word.heartbeats.get(progress.site, 0))
    return now_utc - heard > settings.heartbeat_missing_s


def _too_many(state: RolloutState, settings: RolloutSettings) -> str | None:
    """Why the rollout must halt: more than the allowed share of a group failed (so one of few is enough)."""
    for group in GROUPS:
        members = [p for p in state.sites if p.group is group]
        bad = [p for p in members if p.state in (SiteState.FAILED, SiteState.SILENT)]
        if bad and len(bad) > settings.stop_share * len(members):
            causes = ", ".join(sorted({p.reason for p in bad}))
            return f"{len(bad)} of {len(members)} sites of group {group} failed: {causes}"
    return None


def _next_group(state: RolloutState, settings: RolloutSettings, word: FleetWord, now_utc: int) -> Advance:
    later = GROUPS[GROUPS.index(state.phase) + 1 :]
    following = next((g for g in later if any(p.group is g for p in state.sites)), None)
    if following is None:
        return Advance(replace(state, phase=RolloutPhase.DONE, since=now_utc), ())
    if now_utc - state.since < settings.hold_s:
        return Advance(state, ())
    return advance(replace(state, phase=following, since=now_utc), settings, word, now_utc)


def _maybe_rolled_back(state: RolloutState, settings: RolloutSettings, now_utc: int) -> RolloutState:
    open_sites = [p for p in state.sites if p.state is SiteState.ORDERED_BACK]
    if not open_sites or now_utc - max(p.ordered_at for p in open_sites) > settings.phase_deadline_s:
        return replace(state, phase=RolloutPhase.ROLLED_BACK, since=now_utc)
    return state


def _order(
    state: RolloutState,
    settings: RolloutSettings,
    word: FleetWord,
    now_utc: int,
    *,
    chosen: Iterable[str],
    to: SiteState,
) -> Advance:
    wanted = set(chosen)
    sites = tuple(
        replace(
            p,
            state=to,
            sequence=max(p.sequence, word.sequences.get(p.site, 0)) + 1,
            ordered_at=now_utc,
        )
        if p.site in wanted
        else p
        for p in state.sites
    )
    state = replace(state, sites=sites)
    return Advance(state, tuple(_order_for(state, settings, p) for p in sites if p.site in wanted))


def _order_for(state: RolloutState, settings: RolloutSettings, progress: SiteProgress) -> RolloutOrder:
    back = state.previous_digest if progress.state in (SiteState.ORDERED_BACK, SiteState.BACK) else None
    return RolloutOrder(
        site=progress.site,
        sequence=progress.sequence,
        digest=back or state.digest,
        channel=Channel.SERVICE if back else state.channel,
        issued_at_utc=progress.ordered_at,
        expires_at_utc=progress.ordered_at + int(settings.order_expiry_s),
        downgrade=back is not None,
    )
