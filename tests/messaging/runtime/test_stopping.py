"""Requests to stop: signals set events, and waits end at once."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import pytest

from messaging.runtime.stopping import STOP_SIGNALS, async_stop_on_signals, stop_on_signals, stopped_within


@pytest.fixture(autouse=True)
def handlers_are_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_signal_sets_the_event(number: signal.Signals) -> None:
    stop = stop_on_signals()
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    assert stop.wait(5.0)


def test_a_stop_signal_sets_the_event_of_an_event_loop() -> None:
    async def whole() -> bool:
        stop = async_stop_on_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        return await stopped_within(stop, 5.0)

    assert asyncio.run(whole())


def test_a_wait_ends_at_its_limit_or_at_the_request() -> None:
    async def whole() -> tuple[bool, bool, float]:
        stop = asyncio.Event()
        early = await stopped_within(stop, 0.01)
        stop.set()
        started = time.monotonic()
        return early, await stopped_within(stop, 60.0), time.monotonic() - started

    early, late, taken_s = asyncio.run(whole())
    assert (early, late) == (False, True)
    assert taken_s < 5.0
