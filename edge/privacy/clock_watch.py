"""Whether the system's clock is plausible: it must go as fast as a clock that nobody sets.

A clock that was set by more than `JUMP_S` is a fault until it is set back, or has gone on evenly for
`STEADY_S`: then it is the earlier time that was wrong. A start at an earlier time than the last one that was
recorded is such a fault too; how long a node was off is not.
"""

import logging
from collections.abc import Callable

JUMP_S, STEADY_S = 300.0, 3600.0
logger = logging.getLogger(__name__)


class ClockWatch:
    """Compares two clocks whenever it is asked. `utc` may be set, `clock` never is."""

    def __init__(
        self, seen_utc: float | None, *, utc: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        """Begin; `seen_utc` is the last time that an earlier run recorded, None for the first."""
        self._seen_utc, self._utc, self._clock = seen_utc, utc, clock
        self._offset: float | None = None
        if seen_utc is None or utc() >= seen_utc:
            self._offset = utc() - clock()
        self._jump: tuple[float, float] | None = None

    def fault(self, name: str) -> str | None:
        """None, or the sentence that states how the clock was set; `name` is that of the account."""
        now = self._clock()
        offset = self._utc() - now
        moved = offset - self._offset if self._offset is not None else self._behind()
        if abs(moved) <= JUMP_S or self._steady(offset, now):
            if self._jump is not None:
                logger.info("camera account %s: the clock is plausible again", name)
            self._offset, self._jump = offset, None
            return None
        sentence = (
            f"camera account {name} releases nothing: the system's clock was set "
            f"{'forward' if moved > 0 else 'back'} by {abs(moved) / 3600:.1f} hours; set it right, or wait "
            f"{STEADY_S / 60:.0f} minutes"
        )
        if self._jump is None or abs(offset - self._jump[0]) > JUMP_S:
            logger.warning("%s", sentence)
            self._jump = offset, now
        return sentence

    def _behind(self) -> float:
        """Seconds from the time of an earlier run to an earlier one, negative; 0 if it has passed."""
        return min(0.0, self._utc() - (self._seen_utc or 0.0))

    def _steady(self, offset: float, now: float) -> bool:
        """Whether the clock has gone on evenly since it was set."""
        if self._jump is None:
            return False
        since_offset, since = self._jump
        return abs(offset - since_offset) <= JUMP_S and now - since >= STEADY_S
