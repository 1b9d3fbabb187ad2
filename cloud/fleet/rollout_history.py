"""What the stored rollouts say: which are under way, which were halted, which sites they reached."""

from cloud.fleet.rollout_state import RolloutPhase, RolloutState, SiteState
from cloud.store.records import Rollout
from cloud.store.release_store import ReleaseStore
from messaging.releases import Channel, Role


class RolloutHistory:
    """The rollouts of a fleet, read from the store at every call."""

    def __init__(self, releases: ReleaseStore) -> None:
        self._releases = releases

    def for_service(self, role: Role) -> list[tuple[Rollout, RolloutState]]:
        """The rollouts of a role for service, newest first."""
        rows = self._releases.rollouts(limit=1000)
        states = ((row, RolloutState.from_json(row.state)) for row in rows)
        return [(row, s) for row, s in states if s.channel is Channel.SERVICE and s.role is role]

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

    def under_way(self, role: Role) -> list[RolloutState]:
        """The rollouts of a role, for trial too, that have not ended."""
        states = (RolloutState.from_json(row.state) for row in self._releases.rollouts(limit=100))
        return [state for state in states if not state.final and state.role is role]

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
