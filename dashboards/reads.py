"""What viewers read from the cloud, shared by all viewers who may see the same.

A list that fifty viewers look at is read once: an answer is given again while it is at most `MAX_AGE_S`
old, and who asks while a request runs waits for that request. An error is shared in the same way, unless it
is about the caller: that a session has ended is for nobody else. What is about the caller itself, such as its
own tokens, is read by the viewer's client and not here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from pydantic import BaseModel

from dashboards.access.viewer import Viewer
from dashboards.errors import SessionEnded
from messaging.resources import Page

R = TypeVar("R", bound=BaseModel)
A = TypeVar("A")
MAX_AGE_S = 0.9
MAX_KEPT = 2_000


class SharedReads:
    """A cache of the cloud's answers by what a viewer may see. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}
        self._change = asyncio.Event()

    async def get(self, viewer: Viewer, path: str, model: type[R], **query: Any) -> R:
        """One resource. Raises `DashboardError`."""
        return await self._shared(
            _key(viewer, "get", path, query), lambda: viewer.client.get(path, model, **query)
        )

    async def page(self, viewer: Viewer, path: str, item: type[R], **query: Any) -> Page[R]:
        """One page of a list. Raises `DashboardError`."""
        return await self._shared(
            _key(viewer, "page", path, query), lambda: viewer.client.page(path, item, **query)
        )

    async def first_items(self, viewer: Viewer, path: str, item: type[R], most: int, **query: Any) -> Page[R]:
        """The first `most` items of a list. Raises `DashboardError`."""
        return await self._shared(
            _key(viewer, f"first {most}", path, query),
            lambda: viewer.client.first_items(path, item, most, **query),
        )

    async def all_items(self, viewer: Viewer, path: str, item: type[R], **query: Any) -> tuple[R, ...]:
        """All items of a list. Raises `DashboardError`."""
        return await self._shared(
            _key(viewer, "all", path, query), lambda: viewer.client.all_items(path, item, **query)
        )

    def forget(self) -> None:
        """Read everything again when it is next asked for; called when something has changed."""
        self._kept.clear()
        self._change.set()
        self._change = asyncio.Event()

    def next_change(self) -> asyncio.Event:
        """Set at the next change; taken before a read, it is also set by what changes during it."""
        return self._change

    async def _shared(self, key: Hashable, read: Callable[[], Awaitable[A]]) -> A:
        now = self._clock()
        kept = waited_for = self._kept.get(key)
        if kept is None or (kept[1].done() and now - kept[0] > MAX_AGE_S):
            if len(self._kept) >= MAX_KEPT:
                self._drop_old(now)
            kept = now, asyncio.ensure_future(read())
            self._kept[key] = kept
        own = kept is not waited_for
        try:
            # a viewer who leaves does not end what others wait for
            answer: A = await asyncio.shield(kept[1])
        except SessionEnded:
            if self._kept.get(key) is kept:
                del self._kept[key]
            if own:
                raise
            return await self._shared(key, read)
        return answer

    def _drop_old(self, now: float) -> None:
        self._kept = {
            key: one for key, one in self._kept.items() if not one[1].done() or now - one[0] <= MAX_AGE_S
        }


def _key(viewer: Viewer, kind: str, path: str, query: dict[str, Any]) -> Hashable:
    given = tuple(sorted((name, str(value)) for name, value in query.items() if value is not None))
    return viewer.user.role, viewer.user.groups, kind, path, given
