"""How long to wait between attempts: exponential back-off with jitter.

Waits are interrupted by a request to stop, so the caller waits (`stopping`); retry libraries sleep
themselves.
"""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Growing waits: `first_s`, twice as long after each failure, at most `max_s`, each times 0.5 to 1.5."""

    first_s: float = 0.2
    max_s: float = 10.0
    rng: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def next_s(self) -> float:
        """Count a failure; returns the seconds to wait before the next attempt."""
        wait_s = min(self.first_s * 2.0 ** min(self.failures, 60), self.max_s)
        self.failures += 1
        return wait_s * self.rng.uniform(0.5, 1.5)

    def reset(self) -> None:
        """An attempt succeeded: the next wait is the first one again."""
        self.failures = 0
