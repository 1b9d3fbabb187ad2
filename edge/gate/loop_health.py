"""The gate's loops: their work is tried again until it succeeds, and the state of each can be read."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from messaging.errors import BlindspotError
from messaging.runtime.addresses import masked_text
from messaging.runtime.backoff import Backoff
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.stopping import stopped_within

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass
class LoopHealth:
    """Health of one of the gate's loops."""

    last_success_utc: float = 0.0
    failures_in_a_row: int = 0
    error: str = ""

    def succeeded(self) -> None:
        """Note a success."""
        if self.failures_in_a_row:
            logger.info("works again after %d failures: %s", self.failures_in_a_row, self.error)
        self.last_success_utc, self.failures_in_a_row, self.error = time.time(), 0, ""

    def failed(self, error: Exception, pause_s: float) -> None:
        """Note a failure; one that stays the same is not logged again."""
        before, expected = self.error, isinstance(error, BlindspotError | OSError)
        self.failures_in_a_row += 1
        self.error = masked_text(os_error_sentence(error) if isinstance(error, OSError) else str(error))
        if self.failures_in_a_row == 1 or self.error != before:
            logger.log(
                logging.WARNING if expected else logging.ERROR,
                "%s; next attempt in %.1f s",
                *(self.error, pause_s),
                exc_info=None if expected else error,
            )


@dataclass
class GateHealth:
    """Health of all loops; `mirror`: what the mirror is missing, empty if it is complete."""

    uplink: LoopHealth = field(default_factory=LoopHealth)
    heartbeats: LoopHealth = field(default_factory=LoopHealth)
    receipts: LoopHealth = field(default_factory=LoopHealth)
    downlink: LoopHealth = field(default_factory=LoopHealth)
    credentials: LoopHealth = field(default_factory=LoopHealth)
    status: LoopHealth = field(default_factory=LoopHealth)
    mirror: str = ""

    @property
    def loops(self) -> dict[str, LoopHealth]:
        """The health of each loop by its name."""
        return {name: health for name, health in vars(self).items() if isinstance(health, LoopHealth)}

    @property
    def faults(self) -> tuple[str, ...]:
        """Why loops do not do their work now, one sentence each."""
        failing = {name: health.error for name, health in self.loops.items() if health.failures_in_a_row}
        return tuple(f"{name} fails and is tried again: {error}" for name, error in failing.items())


async def retried(
    work: Callable[[], Awaitable[Result]],
    health: LoopHealth,
    stop: asyncio.Event,
    *,
    max_wait_s: float = 10.0,
) -> Result | None:
    """Do the work; after an error wait and try again until it succeeds or `stop` is set.

    The top of all work of the loops: whatever fails is logged and noted, and stops no other loop. An expected
    error is one line, another one a traceback.
    """
    backoff = Backoff(first_s=0.2, max_s=max_wait_s)
    while not stop.is_set():
        try:
            result = await work()
            health.succeeded()
            return result
        except Exception as error:  # noqa: BLE001  # the top of a loop's work
            pause_s = backoff.next_s()
            health.failed(error, pause_s)
            await stopped_within(stop, pause_s)
    return None
