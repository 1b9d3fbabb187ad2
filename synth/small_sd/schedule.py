"""The length of a training, in steps or minutes, and its learning rate at each step.

The clock is an argument. Nothing here depends on networks, except the running mean of weights that both
trainings keep.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from messaging.errors import ConfigurationError


def exponential_mean(mean: Tensor, latest: Tensor, count: Tensor | int) -> Tensor:
    """Mean of a weight over about the last 500 steps, over fewer at first (for `AveragedModel`)."""
    return mean + (latest - mean) * max(0.002, 9.0 / (float(count) + 10.0))


@dataclass(frozen=True)
class Budget:
    """A limit in steps and one in minutes; training ends at the first of them. None: no limit."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None and self.minutes is None) or (self.steps or 1) < 1 or (self.minutes or 1) <= 0:
            raise ConfigurationError(f"a training budget needs steps >= 1 or minutes > 0; got {self}")


class Schedule:
    """Progress through a budget, and the learning rate: linear warm-up, then half a cosine to 5 %.

    `spent_s` is the time that earlier runs of the same training have taken.
    """

    def __init__(
        self, budget: Budget, peak_rate: float, clock: Callable[[], float], *, spent_s: float = 0.0
    ) -> None:
        self._budget = budget
        self._peak = peak_rate
        self._clock = clock
        self._began_s = clock() - spent_s

    @property
    def spent_s(self) -> float:
        """Seconds since the training began, earlier runs included."""
        return self._clock() - self._began_s

    def progress(self, step: int) -> float:
        """Fraction of the budget that is spent; training stops at 1."""
        by_steps = step / self._budget.steps if self._budget.steps else 0.0
        by_time = self.spent_s / (60 * self._budget.minutes) if self._budget.minutes else 0.0
        return max(by_steps, by_time)

    def rate(self, step: int, warm_up_steps: int = 150) -> float:
        """Learning rate at this step."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(self.progress(step), 1.0)))
        return self._peak * min((step + 1) / warm_up_steps, 1.0) * (0.05 + 0.95 * cosine)
