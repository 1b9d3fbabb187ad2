"""Live events for any number of viewers from one reader of the database.

While somebody listens, one task reads the marks of all objects, a few times a second, and compares them with
those before. The events of the last minutes are kept, so that a client that lost its connection goes on
after the id that it saw last; one that missed more gets `reset`. All of it runs in one event loop.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from cloud.errors import StoreUnavailable
from cloud.store.history.change_marks import Changeable, Marks
from messaging.api.events import EventKind, LiveEvent

logger = logging.getLogger(__name__)

POLL_S = 0.4
COMMENT_S = 15.0
STREAM_S = 600.0
"""A stream ends after that, so that its client comes back and is recognised again."""
KEPT_EVENTS = 2000

Wanted = Callable[[Changeable], bool]


class EventFeed:
    """One stream of numbered events. `read` gives the marks and may wait for the database."""

    def __init__(self, read: Callable[[], Marks]) -> None:
        self._read = read
        self._name = secrets.token_hex(4)  # numbers begin again with each process
        self._kept: deque[tuple[int, Changeable]] = deque(maxlen=KEPT_EVENTS)
        self._number = 0
        self._marks: Marks | None = None
        self._viewers: set[asyncio.Event] = set()
        self._reader: asyncio.Task[None] | None = None

    async def stream(self, wanted: Wanted, last_id: str | None) -> AsyncIterator[str]:
        """Server-sent events from now on, or after the id that the client saw last."""
        async with self._listening() as changed:
            place = self._place(last_id)
            if place is None:
                place = self._number
                yield self._text(place, Changeable(EventKind.RESET, ""))
            else:
                yield ": events follow\n\n"
            end = asyncio.get_running_loop().time() + STREAM_S
            while asyncio.get_running_loop().time() < end:
                changed.clear()
                for number, what in self._after(place):
                    if wanted(what):
                        yield self._text(number, what)
                place = self._number
                try:
                    await asyncio.wait_for(changed.wait(), COMMENT_S)
                except TimeoutError:
                    yield ": still here\n\n"

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[asyncio.Event]:
        """The reader runs while somebody is in this context."""
        changed = asyncio.Event()
        self._viewers.add(changed)
        if self._marks is None:
            await self._read_first()
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._poll())
        try:
            yield changed
        finally:
            self._viewers.discard(changed)
            if not self._viewers and self._reader is not None:
                self._reader.cancel()
                self._reader = None

    async def _read_first(self) -> None:
        """What changes from now on is an event; without a database, from the first reading on."""
        try:
            self._marks = await asyncio.to_thread(self._read)
        except StoreUnavailable as error:
            logger.warning("live events wait: %s", error)

    async def _poll(self) -> None:
        """Until it is cancelled; a database that does not respond is asked again."""
        while True:
            try:
                self._compare(await asyncio.to_thread(self._read))
            except StoreUnavailable as error:
                logger.warning("live events wait: %s", error)
            await asyncio.sleep(POLL_S)

    def _compare(self, marks: Marks) -> None:
        fresh = changes(self._marks, marks)
        self._marks = marks
        for what in fresh:
            self._number += 1
            self._kept.append((self._number, what))
        if fresh:
            for viewer in self._viewers:
                viewer.set()

    def _place(self, last_id: str | None) -> int | None:
        """The number after which events follow; None when some in between are not kept."""
        if last_id is None:
            return self._number
        name, _, number = last_id.partition("-")
        oldest = self._kept[0][0] if self._kept else self._number + 1
        if name != self._name or not number.isdecimal() or not oldest - 1 <= int(number) <= self._number:
            return None
        return int(number)

    def _after(self, place: int) -> Sequence[tuple[int, Changeable]]:
        return [(number, what) for number, what in self._kept if number > place]

    def _text(self, number: int, what: Changeable) -> str:
        data = LiveEvent(kind=what.kind, id=what.id, site=what.site).model_dump_json()
        return f"id: {self._name}-{number}\nevent: {what.kind}\ndata: {data}\n\n"


def changes(before: Marks | None, after: Marks) -> list[Changeable]:
    """What is new or has another mark; nothing at the first reading. What is gone is no event."""
    known: Mapping[Changeable, object] = after if before is None else before
    return [what for what, mark in after.items() if known.get(what) != mark]


def wants(kinds: Collection[EventKind], visible: Collection[str] | None) -> Wanted:
    """Whether a viewer gets an event: of these kinds (none: of all), and not of a site that is hidden."""
    return lambda what: (
        (not kinds or what.kind in kinds) and (what.site is None or visible is None or what.site in visible)
    )
