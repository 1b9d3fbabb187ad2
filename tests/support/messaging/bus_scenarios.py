"""Runs a scenario of a contract suite on the bus in memory, or over a real nats-server."""

import asyncio
from collections.abc import Awaitable, Callable

from messaging.bus import Bus
from messaging.memory_bus import MemoryBus
from messaging.nats.bus import NatsBus
from tests.support.brokers import Hub

Scenario = Callable[[Bus], Awaitable[None]]
Play = Callable[[Scenario], None]
WITHIN_S = 30.0


def play_on(hub: Hub | None, prepare: Scenario, *, stream: str, ack_wait_s: float = 15.0) -> Play:
    """Play scenarios on a bus that `prepare` has prepared: in memory without a hub.

    At the hub, `stream` is deleted after each scenario.
    """

    async def in_memory(scenario: Scenario) -> None:
        bus = MemoryBus(ack_wait_s=ack_wait_s)
        await prepare(bus)
        await scenario(bus)

    async def on_nats(hub: Hub, scenario: Scenario) -> None:
        bus = await NatsBus.connect(hub.cloud_link(), ack_wait_s=ack_wait_s)
        try:
            await prepare(bus)
            await scenario(bus)
        finally:
            await bus.api(f"STREAM.DELETE.{stream}")
            await bus.close()

    def play(scenario: Scenario) -> None:
        played = in_memory(scenario) if hub is None else on_nats(hub, scenario)
        asyncio.run(asyncio.wait_for(played, WITHIN_S))

    return play
