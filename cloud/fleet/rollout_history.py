"""What the store says of rollouts: which are under way or halted, whom they reached, what sites answered."""

from collections import defaultdict
from collections.abc import Iterable

from cloud.fleet.rollout import FleetStatus
from cloud.fleet.rollout_state import FINAL, RolloutPhase, RolloutState, SiteState, rollout_text
from cloud.store.records import Rollout
from cloud.store.release_store import ReleaseStore
from cloud.store.report_records import SiteHeartbeat
from cloud.store.report_store import ReportStore
from messaging.releases import Channel, Role
from messaging.reports import CameraHealth, SwapOutcome, SwapReason, SwapReceipt

WITHOUT_FRAMES_S = 300.0


class RolloutHistory:
    """The rollouts of a fleet, read from the store at every call."""

    def __init__(self, releases: ReleaseStore) -> None:
        self._releases = releases

    def for_service(self, role: Role) -> list[tuple[Rollout, RolloutState]]:
        """The rollouts of a role for service, newest first."""
        rows = self._releases.rollouts(limit=1000)
        states = ((row, RolloutState.from_json(row.state)) for row in rows)
        return [(row, s) for row, s in states if s.channel is Channel.SERVICE and s.role is role]

    def of_others(self, campaign: str) -> str | None:
        """The rollout for service under way that is not of this campaign, in words; None without one."""
        for row, state in self.under_way(Role.DETECTOR):
            if state.channel is Channel.SERVICE and row.campaign != campaign:
                return rollout_text(row.id, state)
        return None

    def canary_turns(self) -> dict[str, int]:
        """When each site last was the canary of a rollout for service: the number of that rollout."""
        rows = reversed(self._releases.rollouts(limit=100))
        states = [RolloutState.from_json(row.state) for row in rows]
        return {
            progress.site: turn
            for turn, state in enumerate(states)
            if state.channel is Channel.SERVICE
            for progress in state.sites
            if progress.group is RolloutPhase.CANARY
        }

    def under_way(self, role: Role) -> list[tuple[Rollout, RolloutState]]:
        """The rollouts of a role, for trial too, that have not ended, newest first."""
        phases = [phase for phase in RolloutPhase if phase not in FINAL]
        rows = [row for phase in phases for row in self._releases.rollouts(phase=phase)]
        rows.sort(key=lambda row: (row.created_at, row.id), reverse=True)
        states = ((row, RolloutState.from_json(row.state)) for row in rows)
        return [(row, state) for row, state in states if state.role is role]

    def halted(self, role: Role) -> list[RolloutState]:
        """The newest rollout for service if it was halted: what its sites run is left to an operator."""
        newest = self.for_service(role)[:1]
        return [state for _, state in newest if state.phase is RolloutPhase.HALTED]

    def sites_rolled_out(self, digest: str, role: Role) -> set[str]:
        """Sites of the finished rollouts that put a model in service, and of those after it."""
        done = [(row, s) for row, s in self.for_service(role) if s.phase is RolloutPhase.DONE]
        last = next((place for place, (row, _) in enumerate(done) if row.digest == digest), -1)
        states = [state for place, (row, state) in enumerate(done) if place <= last or row.digest == digest]
        reached = (progress for state in states for progress in state.sites)
        return {progress.site for progress in reached if progress.state is not SiteState.REVOKED}


def fleet_status(reports: ReportStore, releases: ReleaseStore) -> FleetStatus:
    """Receipts, heartbeats, order sequences and revocations of all sites, and those without frames, now."""
    beats = reports.heartbeats()
    receipts: dict[str, list[SwapReceipt]] = defaultdict(list)
    for row in reports.swaps():
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
    return FleetStatus(
        receipts=receipts,
        heartbeats={beat.site: beat.received_at for beat in beats},
        sequences={site.site: releases.last_sequence(site.site) for site in reports.sites()},
        revoked=reports.revoked_sites(),
        without_frames=sites_without_frames(beats),
    )


def sites_without_frames(beats: Iterable[SiteHeartbeat]) -> set[str]:
    """Sites with at least one camera, of which none gives frames.

    A camera gives none if it is not connected, or if its last frame is older than `WITHOUT_FRAMES_S`. A model
    that stops is no reason for that: its site ends it after seconds, and its receipt states so.
    """
    return {
        beat.site
        for beat in beats
        if beat.heartbeat.cameras and not any(map(_gives_frames, beat.heartbeat.cameras))
    }


def _gives_frames(camera: CameraHealth) -> bool:
    return camera.connected and camera.frame_age_s <= WITHOUT_FRAMES_S
