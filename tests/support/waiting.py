"""Bounded waits on a condition, instead of fixed sleeps; `AssertionError` when the time is over."""

import asyncio
import time
from collections.abc import Callable

POLL_S = 0.02
CONDITION = "the condition holds"


def wait_until(holds: Callable[[], object], timeout_s: float = 60.0, what: str = CONDITION) -> None:
    """Block until the condition holds; `what` names it in the error."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {timeout_s:g} s"
        time.sleep(POLL_S)


async def eventually(holds: Callable[[], object], timeout_s: float = 60.0, what: str = CONDITION) -> None:
    """Wait until the condition holds, while other tasks run; `what` names it in the error."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {timeout_s:g} s"
        await asyncio.sleep(POLL_S)
