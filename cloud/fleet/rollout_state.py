"""The state of a rollout: its groups of sites, what each site has done, and how a rollout is planned; pure.

Groups: the canary, then a tenth, half, and all of the fleet by default. A small fleet has fewer groups: those
that would be empty are left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from cloud.errors import NotNow
from cloud.settings import RolloutSettings
from cloud.store.records import Downgrade
from messaging.releases import Channel, Role


class RolloutPhase(StrEnum):
    """The phase of a rollout: that of a group, or of its end. The last three are final."""

    CANARY = "canary"
    EARLY = "early"
    WIDE = "wide"
    ALL = "all"
    ROLLING_BACK = "rolling_back"
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    HALTED = "halted"


GROUPS = (RolloutPhase.CANARY, RolloutPhase.EARLY, RolloutPhase.WIDE, RolloutPhase.ALL)
FINAL = (RolloutPhase.DONE, RolloutPhase.ROLLED_BACK, RolloutPhase.HALTED)


class SiteState(StrEnum):
    """The state of one site in a rollout.

    RUNNING: the release is in service there, or in its shadow run. LOST: no receipt or heartbeat in time.
    IDLE: its cameras give no frames, so that it cannot try the release; its receipt counts when they do.
    REVOKED: the site was revoked during the rollout, which then leaves it out.
    """

    WAITING = "waiting"
    ORDERED = "ordered"
    RUNNING = "running"
    FAILED = "failed"
    LOST = "lost"
    IDLE = "idle"
    ORDERED_BACK = "ordered_back"
    ROLLED_BACK = "rolled_back"
    REVOKED = "revoked"


@dataclass(frozen=True)
class SiteProgress:
    """One site: its group (the phase that orders it), its state, the last order sent to it, why it failed."""

    site: str
    group: RolloutPhase
    state: SiteState = SiteState.WAITING
    sequence: int = 0
    ordered_at: int = 0
    reason: str = ""


@dataclass(frozen=True)
class RolloutState:
    """A rollout.

    Attributes:
        since: when the phase began, or when a site last changed its state if that is later.
        paused: no further group is ordered until an operator resumes it.
        awaiting: the group that waits for an operator's approval; the hold of the one before is over.
        reason: why it halted or goes back.
        downgrade: whose downgrade it is if the release is older than the one in service; sites need a ticket.
    """

    digest: str
    previous_digest: str | None
    channel: Channel
    phase: RolloutPhase
    since: int
    sites: tuple[SiteProgress, ...]
    paused: bool = False
    awaiting: RolloutPhase | None = None
    reason: str = ""
    role: Role = Role.DETECTOR
    downgrade: Downgrade | None = None

    def __post_init__(self) -> None:
        names = [progress.site for progress in self.sites]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"a rollout needs distinct sites, at least one; got {names}")

    @property
    def final(self) -> bool:
        """Whether the rollout has ended."""
        return self.phase in FINAL

    def to_json(self) -> dict[str, Any]:
        """The state as dictionaries, lists, strings and numbers."""
        return {**asdict(self), "sites": [asdict(progress) for progress in self.sites]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RolloutState":
        """The state that `to_json` wrote."""
        sites = tuple(
            SiteProgress(**{**row, "group": RolloutPhase(row["group"]), "state": SiteState(row["state"])})
            for row in data["sites"]
        )
        return cls(
            **{
                **data,
                "channel": Channel(data["channel"]),
                "phase": RolloutPhase(data["phase"]),
                "awaiting": RolloutPhase(data["awaiting"]) if data.get("awaiting") else None,
                "role": Role(data.get("role", Role.DETECTOR)),
                "downgrade": Downgrade(data["downgrade"]) if data.get("downgrade") else None,
                "sites": sites,
            }
        )


def rollout_text(rollout: str, state: RolloutState) -> str:
    """A rollout under way in words; of one that waits for a person, with what lets it go on or end."""
    if state.paused:
        return f"rollout {rollout} (paused: `blindspot rollout resume {rollout}`, or `stop`)"
    if state.awaiting is not None:
        return f"rollout {rollout} (awaits approval: `blindspot rollout approve {rollout}`, or `stop`)"
    return f"rollout {rollout}"


def plan_rollout(
    digest: str,
    previous_digest: str | None,
    channel: Channel,
    *,
    sites: Sequence[str],
    settings: RolloutSettings,
    now_utc: int,
    role: Role = Role.DETECTOR,
) -> RolloutState:
    """Plan a rollout: the first sites are the canary, then those up to each fraction of all, then the others.

    Raises `NotNow` without sites.
    """
    if not sites:
        raise NotNow(f"release {digest[:12]} has no site to run it; enrol one and start it first")
    progress = tuple(
        SiteProgress(site, group) for site, group in zip(sites, _groups(len(sites), settings), strict=True)
    )
    return RolloutState(digest, previous_digest, channel, RolloutPhase.CANARY, now_utc, progress, role=role)


def _groups(count: int, settings: RolloutSettings) -> list[RolloutPhase]:
    """The group of each of so many sites."""
    canary = settings.canary_sites
    early = max(canary, math.ceil(settings.early_fraction * count))
    wide = max(early, math.ceil(settings.wide_fraction * count))
    ends = zip((canary, early, wide, count), GROUPS, strict=True)
    groups: list[RolloutPhase] = []
    for end, group in ends:
        groups += [group] * (min(end, count) - len(groups))
    return groups
