"""One stream of the cloud's live events for all viewers of this process.

An event is only a reason to read again: what a viewer sees is read with the viewer's own token.
"""

import asyncio
import logging
from collections.abc import Callable

import httpx

from dashboards.access.cloud_transport import CloudTransport
from dashboards.errors import DashboardError
from messaging.cloud_requests import whole_path
from messaging.resources import TOKEN_HEADER

logger = logging.getLogger(__name__)

RETRY_S = 2.0
SILENCE_S = 45.0
"""The cloud sends a comment every 15 seconds; a stream without one for so long is opened again."""
PACE_S = 0.4
"""Events closer to one another than this are one change, so that a busy fleet does not reload every page."""


class LiveEvents:
    """Calls `changed` when the cloud states that something has changed; runs until it is cancelled."""

    def __init__(self, transport: CloudTransport, changed: Callable[[], None]) -> None:
        self._transport, self._changed = transport, changed
        self._due: asyncio.TimerHandle | None = None
        self._last_s = float("-inf")

    async def follow(self) -> None:
        """Follow the stream; a cloud that is away is tried again, and pages poll meanwhile."""
        timeout = httpx.Timeout(10.0, read=SILENCE_S)
        async with httpx.AsyncClient(
            base_url=self._transport.url, transport=self._transport, timeout=timeout
        ) as client:
            while True:
                try:
                    await self._stream(client)
                except (httpx.HTTPError, DashboardError) as error:
                    logger.debug("live events wait for the cloud: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _stream(self, client: httpx.AsyncClient) -> None:
        token = (await self._transport.address()).token
        headers = {TOKEN_HEADER: f"Bearer {token}"}
        async with client.stream("GET", whole_path("events"), headers=headers) as answer:
            answer.raise_for_status()
            self._state_change()  # whatever happened while nobody followed
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    self._state_change()

    def _state_change(self) -> None:
        """Call `changed` now, or once when the pace allows it."""
        if self._due is not None:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._last_s + PACE_S - loop.time()
        if wait_s <= 0:
            self._call()
        else:
            self._due = loop.call_later(wait_s, self._call)

    def _call(self) -> None:
        self._due, self._last_s = None, asyncio.get_running_loop().time()
        self._changed()
