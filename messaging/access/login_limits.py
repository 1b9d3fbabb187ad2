"""How often a login may fail: after five failures a name and an address wait, twice as long each time."""

import threading
from collections.abc import Callable

FREE_FAILURES = 5
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 900.0
MOST_KEYS = 10_000


class LoginLimits:
    """Counts failures by key, such as a user's name or an address. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, *keys: str) -> float:
        """Seconds until the next attempt of any of these keys; 0 if it may come now."""
        now = self._clock()
        with self._lock:
            return max((max(self._failures.get(key, (0, 0.0))[1] - now, 0.0) for key in keys), default=0.0)

    def failed(self, *keys: str) -> None:
        """Count a failure of each key. The oldest keys are forgotten once there are very many."""
        now = self._clock()
        with self._lock:
            for key in keys:
                count = self._failures.pop(key, (0, 0.0))[0] + 1
                wait = FIRST_WAIT_S * 2.0 ** min(count - FREE_FAILURES - 1, 20)
                until = now + min(wait, LONGEST_WAIT_S) if count > FREE_FAILURES else 0.0
                self._failures[key] = (count, until)
            while len(self._failures) > MOST_KEYS:
                del self._failures[next(iter(self._failures))]

    def succeeded(self, *keys: str) -> None:
        """Forget the failures of these keys."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)
