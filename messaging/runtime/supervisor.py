"""The threads of a program: each is restarted after a failure, with growing waits, and its state can be read.

A thread that others rely on never ends unnoticed: failures are counted and logged, and `states` gives the
time since each thread's last success, from which a program derives its readiness.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from messaging.errors import BlindspotError
from messaging.runtime.backoff import Backoff
from messaging.runtime.os_errors import os_error_sentence

logger = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
MAX_WAIT_S = 30.0


@dataclass(frozen=True)
class ThreadState:
    """State of one supervised thread; ages are seconds, since its start before the first success."""

    name: str
    finished: bool
    failures: int
    success_age_s: float
    problem: str | None
    silence_limit_s: float | None

    @property
    def fault(self) -> str | None:
        """Why the thread does not do its work now, in one sentence; None if it does."""
        if self.problem is not None:
            return f"{self.name} fails and is tried again: {self.problem}"
        if self.finished or self.silence_limit_s is None or self.success_age_s <= self.silence_limit_s:
            return None
        return f"{self.name} has done nothing for {self.success_age_s:.0f} s; restart the program if it lasts"


class Activity:
    """Given to the work of a thread, which calls `succeeded` after each unit of useful work."""

    def __init__(
        self,
        name: str,
        backoff: Backoff,
        clock: Callable[[], float],
        *,
        silence_limit_s: float | None = None,
        on_failure: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.name = name
        self.failures = 0
        self.finished = False
        self.problem: str | None = None
        self._backoff, self._clock = backoff, clock
        self._silence_limit_s, self._on_failure = silence_limit_s, on_failure
        self._success_s = clock()

    def succeeded(self) -> None:
        """Note a success: the next wait after a failure is short again."""
        self._success_s = self._clock()
        if self.problem is not None:
            logger.info("%s works again", self.name)
        self.problem = None
        self._backoff.reset()

    def failed(self, error: Exception) -> float:
        """Note a failure; returns the seconds to wait.

        An expected error is one line, others a traceback; one that stays the same is not logged again.
        """
        self.failures += 1
        wait_s, before = self._backoff.next_s(), self.problem
        if isinstance(error, OSError):
            self.problem = os_error_sentence(error)
        elif isinstance(error, BlindspotError):
            self.problem = str(error)
        else:
            self.problem = f"{type(error).__name__}: {error}"
        if self.problem != before:
            expected = isinstance(error, BlindspotError | OSError)
            logger.log(
                logging.WARNING if expected else logging.ERROR,
                "%s failed, next attempt in %.1f s: %s",
                *(self.name, wait_s, self.problem),
                exc_info=None if expected else error,
            )
        self._on_failure(self.name)
        return wait_s

    def state(self) -> ThreadState:
        """The state now."""
        age_s = self._clock() - self._success_s
        return ThreadState(
            self.name, self.finished, self.failures, age_s, self.problem, self._silence_limit_s
        )


class Supervisor:
    """Starts, restarts and joins threads; `on_failure` is called with the thread's name per failure."""

    def __init__(
        self,
        stop: threading.Event,
        *,
        on_failure: Callable[[str], None] = lambda name: None,
        first_s: float = FIRST_WAIT_S,
        max_s: float = MAX_WAIT_S,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._stop, self._on_failure, self._clock = stop, on_failure, clock
        self._first_s, self._max_s, self._rng = first_s, max_s, rng or random.Random()
        self._activities: list[Activity] = []
        self._threads: list[threading.Thread] = []

    def start(
        self, name: str, work: Callable[[Activity], None], *, silence_limit_s: float | None = None
    ) -> None:
        """Run `work` in a thread until it returns; after an exception call it again, until `stop` is set.

        A thread without a success for `silence_limit_s` has a fault, also if it raises nothing.
        """
        activity = Activity(
            name,
            Backoff(self._first_s, self._max_s, self._rng),
            self._clock,
            silence_limit_s=silence_limit_s,
            on_failure=self._on_failure,
        )
        thread = threading.Thread(target=self._guard, args=(activity, work), name=name, daemon=True)
        self._activities.append(activity)
        self._threads.append(thread)
        thread.start()

    def states(self) -> tuple[ThreadState, ...]:
        """The states of all threads, in the order of their start."""
        return tuple(activity.state() for activity in self._activities)

    def join(self, timeout_s: float) -> None:
        """Wait at most so many seconds for each thread; `stop` must be set."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _guard(self, activity: Activity, work: Callable[[Activity], None]) -> None:
        while not self._stop.is_set():
            try:
                work(activity)
            except Exception as error:
                self._stop.wait(activity.failed(error))
            else:
                activity.finished = True
                return
