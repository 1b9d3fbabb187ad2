"""Deletes from the hub what intake has committed: after a grace time, or at once where a site has sent a lot.

Within the grace time an empty database can be filled again from the hub. What is not committed is never
deleted here; the quotas of the hub's stream bound it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cloud.fleet.intake import Intake
from messaging.bus import Bus
from messaging.nats.streams import REPORTS_PER_KIND
from messaging.nats.subjects import FLEET_REPORTS

GRACE_S = 7200.0
_NOTE_EVERY_S = 60.0


@dataclass
class HubRetention:
    """One instance per process. `clock` is monotonic seconds."""

    bus: Bus
    intake: Intake
    clock: Callable[[], float]
    grace_s: float = GRACE_S
    reports_per_kind: int = REPORTS_PER_KIND
    _hub: str = ""
    _committed: deque[tuple[float, int]] = field(default_factory=deque)

    async def step(self) -> None:
        """Note how far the hub's stream is committed, and delete what may go. Raises `WireError`."""
        durable = self.intake.durable
        if durable is None:
            return
        state = await self.bus.stream_state(FLEET_REPORTS)
        if state.identity != self._hub:
            self._hub, self._committed = state.identity, deque()
        committed, now_s = await self.bus.acknowledged_through(FLEET_REPORTS, durable), self.clock()
        through = 0
        while self._committed and self._committed[0][0] <= now_s - self.grace_s:
            through = self._committed.popleft()[1]
        if through >= state.first_sequence and state.messages:
            await self.bus.purge_through(FLEET_REPORTS, through)
        if not self._committed or now_s - self._committed[-1][0] >= min(_NOTE_EVERY_S, self.grace_s):
            self._committed.append((now_s, committed))
        for subject, count in (await self.bus.messages_by_subject(FLEET_REPORTS)).items():
            if count > self.reports_per_kind // 2:
                await self.bus.purge_through(FLEET_REPORTS, committed, subject=subject)
