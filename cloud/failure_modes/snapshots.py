"""Snapshots of all failure modes: computed when they are read, or beside the readers where that takes long.

With a million misdetections computing takes seconds. A reader then gets the last snapshot at once, and a
thread computes the next one, in at most `1 / RESTS` of the time.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from cloud.errors import StoreUnavailable
from cloud.failure_modes.estimated_recall import RecallEstimate, RecallKey
from cloud.failure_modes.rules import FailureMode
from cloud.failure_modes.site_shares import SiteShares
from cloud.store.records import ModeState
from cloud.store.report_records import Evidence

logger = logging.getLogger(__name__)

SLOW_S = 0.5
RESTS = 10


@dataclass(frozen=True)
class ModeSnapshot:
    """Failure modes with the evidence, recall estimates and models they were computed from.

    `suggested`: the class of the nearest prototype, for modes of unknown class. `states`: the stored states
    when the reading began; a status set since then is not judged by these counts. `shares`: how much each
    site may decide of it.
    """

    modes: tuple[FailureMode, ...]
    rows: tuple[Evidence, ...]
    recall: Mapping[RecallKey, RecallEstimate]
    in_service: frozenset[str]
    suggested: Mapping[str, str | None]
    states: Mapping[str, ModeState]
    shares: SiteShares

    def with_states(self, states: Mapping[str, ModeState]) -> "ModeSnapshot":
        """The snapshot with these stored states of modes."""
        modes = (replace(mode, state=states.get(mode.key.id, mode.state)) for mode in self.modes)
        return replace(self, modes=tuple(modes))


class ModeSnapshots:
    """The last snapshot, and when the next is computed. Safe to share between threads."""

    def __init__(
        self, compute: Callable[[], ModeSnapshot], states: Callable[[], Mapping[str, ModeState]]
    ) -> None:
        self._compute, self._states = compute, states
        self._lock, self._computing = threading.Lock(), threading.Lock()
        self._last: ModeSnapshot | None = None
        self._taken_at = self._cost_s = 0.0

    def get(self, *, max_age_s: float) -> ModeSnapshot:
        """At most `max_age_s` old; where computing is slow, as old as the module's docstring says.

        Raises `StoreUnavailable`.
        """
        with self._lock:
            last, age_s, cost_s = self._last, time.monotonic() - self._taken_at, self._cost_s
        if last is not None and age_s <= max_age_s:
            return last
        if last is not None and cost_s > SLOW_S:
            if age_s > RESTS * cost_s and self._computing.acquire(blocking=False):
                threading.Thread(target=self._take_beside, name="failure-modes", daemon=True).start()
            return last
        with self._computing:
            return self._take()

    def changed(self, state: ModeState) -> None:
        """A state was stored: the next snapshot has it."""
        with self._lock:
            if self._last is not None and self._cost_s > SLOW_S:
                self._last = self._last.with_states({state.mode: state})
            else:
                self._last = None

    def _take(self) -> ModeSnapshot:
        began = time.monotonic()
        taken = self._compute()
        with self._lock:
            taken = taken.with_states(self._states())  # those that were stored meanwhile
            self._last, self._taken_at = taken, time.monotonic()
            self._cost_s = self._taken_at - began
        return taken

    def _take_beside(self) -> None:
        try:
            self._take()
        except StoreUnavailable as error:
            age_s = time.monotonic() - self._taken_at
            logger.warning("failure modes are shown as they were %.0f s ago: %s", age_s, error)
        finally:
            self._computing.release()
