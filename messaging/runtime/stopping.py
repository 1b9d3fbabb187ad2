"""Requests to stop: from signals to events, and waits that such a request ends."""

import asyncio
import signal
import threading

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; for programs of threads, called in the main thread."""
    stop = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    return stop


def async_stop_on_signals() -> asyncio.Event:
    """The same for programs of one event loop, called on that loop."""
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def stopped_within(stop: asyncio.Event, limit_s: float) -> bool:
    """Wait until `stop` is set or `limit_s` seconds have passed; returns whether it is set."""
    try:
        await asyncio.wait_for(stop.wait(), limit_s)
    except TimeoutError:
        return stop.is_set()
    return True
