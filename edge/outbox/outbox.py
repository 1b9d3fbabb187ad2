"""Reports -> the site's broker. The one place where the node crosses from its threads to a network loop.

`put` may be called from any thread and never waits for the network; accepted means the broker's
acknowledgement that it is stored. While the broker is gone, reports wait here: in memory up to a capacity, on
disk those that may never be shed; a disk that takes nothing is logged and tried again, and they wait in
memory meanwhile. At the capacity evidence is shed by the order of the payload table and counted exactly.
Kinds that may wait for others of their kind are collected in one message first (see `batching`). Of
heartbeats only the last one waits.
"""

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from edge.outbox.batching import Batcher, BatchingDelays, OpenMessage
from edge.outbox.spool import Spool, Waiting, waiting_message
from messaging.bus import Bus
from messaging.errors import BlindspotError, MessageRefused, WireFull
from messaging.nats.subjects import HEARTBEATS
from messaging.reports import Report
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.supervisor import Activity, Supervisor, ThreadState
from messaging.wire_format.codec import PAYLOADS, Lane, Message

logger = logging.getLogger(__name__)

_BATCH = 64
_FULL_PAUSE_S = 1.0
_FIRST_WAIT_S, _MAX_WAIT_S = 0.2, 10.0
_SILENCE_LIMIT_S = 60.0
AT_ONCE = BatchingDelays(urgent_s=0.0, hazard_s=0.0, evidence_s=0.0)
_NEVER_SHED = [
    row.kind for row in PAYLOADS.values() if row.lane is not Lane.LATEST and row.shed_order is None
]
_SHEDDABLE = [
    row.kind
    for row in sorted(PAYLOADS.values(), key=lambda row: row.shed_order or 0)
    if row.lane is not Lane.LATEST and row.shed_order is not None
]


@dataclass(frozen=True)
class OutboxCounts:
    """Exact counters since the start: reports by kind, and how many messages wait now."""

    accepted: Mapping[str, int]
    shed: Mapping[str, int]
    refused: Mapping[str, int]
    waiting: int
    connected: bool


class Outbox:
    """A queue that outlives the broker's absence. `connect` opens the bus; ids and time are arguments."""

    def __init__(
        self,
        site: str,
        folder: Path,
        connect: Callable[[], Awaitable[Bus]],
        *,
        now_utc: Callable[[], float],
        new_id: Callable[[], str],
        capacity: int = 5000,
        patience: BatchingDelays = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
        on_failure: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Args: `capacity` is in messages, `patience` how long reports gather, `clock` monotonic seconds.

        `on_failure` is called with the thread's name for each failure to connect or send.
        """
        self._site = site
        self._connect = connect
        self._now_utc = now_utc
        self._new_id = new_id
        self._capacity = capacity
        self._patience = patience
        self._spool = Spool(folder)
        self._batcher = Batcher(self._spool, site, clock)
        self._lock = threading.Lock()
        self._queues: dict[str, deque[Waiting]] = {kind: deque() for kind in (*_NEVER_SHED, *_SHEDDABLE)}
        self._in_flight: dict[str, Waiting] = {}
        self._beat: Waiting | None = None
        self._futures: dict[str, Future[bool]] = {}
        self._on_disk = set(self._spool.ids())
        self._accepted: Counter[str] = Counter()
        self._shed: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._connected = self._disk_refuses = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._stopping = threading.Event()
        self._threads = Supervisor(
            self._stopping, on_failure=on_failure, first_s=_FIRST_WAIT_S, max_s=_MAX_WAIT_S
        )

    @property
    def counts(self) -> OutboxCounts:
        """Counters, consistent with one another."""
        with self._lock:
            waiting = len(self._in_memory() | self._on_disk) + (self._beat is not None)
            waiting += self._batcher.waiting
            return OutboxCounts(
                dict(self._accepted), dict(self._shed), dict(self._refused), waiting, self._connected
            )

    @property
    def threads(self) -> tuple[ThreadState, ...]:
        """The state of its thread, once started."""
        return self._threads.states()

    def put(self, report: Report, *, message_id: str | None = None) -> "Future[bool]":
        """Hand a report over; from any thread, without waiting for the network.

        The future becomes True once the broker has stored the report, False when it was shed, refused or
        replaced by a later heartbeat. Give `message_id` to hand the same report over again after a crash:
        it then travels alone. Raises `MessageRefused` for a report that is not on the allow-list or does not
        fit its schema.
        """
        at_utc, wait_s = int(self._now_utc()), self._patience.of(report)
        if message_id is None and wait_s > 0:
            with self._lock:
                future = self._batcher.add(report, wait_s, new_id=self._new_id, at_utc=at_utc)
            self._notify()
            return future
        waiting = waiting_message(Message(message_id or self._new_id(), self._site, at_utc, report))
        future = Future()
        self._queue(waiting, future)
        self._notify()
        return future

    def start(self) -> None:
        """Start the thread that owns the loop and the connection; it is started again if it fails."""
        self._threads.start("outbox", self._main, silence_limit_s=_SILENCE_LIMIT_S)

    def stop(self, timeout_s: float = 10.0) -> None:
        """Send what can be sent at once, keep the rest on disk; safe to call twice."""
        self._stopping.set()
        self._notify()
        self._threads.join(timeout_s)
        self._close_batches(everything=True)
        with self._lock:
            left = [*self._in_flight.values(), *(m for queue in self._queues.values() for m in queue)]
        for message in left:
            self._written(message)

    def _in_memory(self) -> set[str]:
        """Ids queued or under way. Called with the lock held."""
        return {m.id for queue in self._queues.values() for m in queue} | self._in_flight.keys()

    def _queued(self, message: Waiting) -> list[Waiting]:
        """Put a message into its queue; what had to go for it. Called with the lock held."""
        if PAYLOADS[message.kind].lane is Lane.LATEST:
            before, self._beat = self._beat, message
            return [] if before is None else [before]
        dropped = []
        if len(self._in_flight) + sum(len(queue) for queue in self._queues.values()) >= self._capacity:
            victim = next((kind for kind in _SHEDDABLE if self._queues[kind]), None)
            if victim is not None and not _sheds_before(message.kind, victim):
                dropped.append(self._queues[victim].popleft())
            elif message.kind in _SHEDDABLE:
                self._shed[message.kind] += message.reports
                self._on_disk.discard(message.id)
                return [message]
            elif self._written(message):
                self._on_disk.add(message.id)
                return []
        for one in dropped:
            self._shed[one.kind] += one.reports
            self._on_disk.discard(one.id)
        self._queues[message.kind].append(message)
        return dropped

    def _queue(self, message: Waiting, future: "Future[bool]") -> None:
        """Put a message into its queue and settle what had to go for it."""
        with self._lock:
            self._futures[message.id] = future
            dropped = self._queued(message)
        for one in dropped:
            self._spool.remove(one.id)
            self._settle(one.id, accepted=False)

    def _close_batches(self, *, everything: bool = False) -> None:
        """Queue the messages that have gathered long enough."""
        with self._lock:
            due: list[OpenMessage] = self._batcher.take_due(everything=everything)
            self._on_disk |= {message.message_id for message in due if message.on_disk}
        for message in due:
            closed = message.closed()
            if not message.on_disk:
                self._spool.remove(closed.id)
            self._queue(closed, message.future)

    def _notify(self) -> None:
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None and not loop.is_closed():
            loop.call_soon_threadsafe(wake.set)

    def _main(self, activity: Activity) -> None:
        try:
            asyncio.run(self._run(activity))
        finally:
            self._loop, self._connected = None, False
            self._requeue()
            self._persist_unsheddable()

    async def _run(self, activity: Activity) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        bus: Bus | None = None
        try:
            while not self._stopping.is_set():
                try:
                    bus = bus or await self._connect()
                    self._connected = True
                    self._close_batches()
                    await self._drain(bus)
                    activity.succeeded()
                    await self._pause(self._until_due())
                except (BlindspotError, OSError) as error:
                    self._connected = False
                    self._persist_unsheddable()
                    await self._pause_unless_stopped(activity.failed(error))
            if bus is not None:
                await self._last_round(bus)
        finally:
            if bus is not None:
                await bus.close()

    def _until_due(self) -> float:
        with self._lock:
            due_s = self._batcher.next_due_s()
        return _FULL_PAUSE_S if due_s is None else min(due_s, _FULL_PAUSE_S)

    async def _last_round(self, bus: Bus) -> None:
        self._close_batches(everything=True)
        try:
            await asyncio.wait_for(self._drain(bus), 3.0)
        except (BlindspotError, OSError) as error:
            logger.info("reports stay on disk: %s", error)

    async def _pause(self, limit_s: float) -> None:
        assert self._wake is not None
        try:
            await asyncio.wait_for(self._wake.wait(), limit_s)
        except TimeoutError:
            return
        self._wake.clear()

    async def _pause_unless_stopped(self, limit_s: float) -> None:
        """Wait `limit_s` seconds; a request to stop ends the wait, a new report does not."""
        until_s = time.monotonic() + limit_s
        while not self._stopping.is_set() and (left_s := until_s - time.monotonic()) > 0:
            await self._pause(left_s)

    async def _drain(self, bus: Bus) -> None:
        """Send until nothing is left or only what a full stream refuses. Raises `WireError`."""
        full: set[Lane] = set()
        while batch := self._next_batch(full):
            results = await asyncio.gather(
                *(self._sent(bus, message) for message in batch), return_exceptions=True
            )
            self._requeue()
            for message, result in zip(batch, results, strict=True):
                if isinstance(result, WireFull):
                    full.add(PAYLOADS[message.kind].lane)
                elif isinstance(result, BaseException):
                    raise result
        beat = self._beat
        if beat is not None:
            await bus.put_latest(HEARTBEATS, self._site, beat.data)
            with self._lock:
                self._accepted[beat.kind] += 1
                self._beat = None if self._beat is beat else self._beat
            self._settle(beat.id, accepted=True)

    async def _sent(self, bus: Bus, message: Waiting) -> None:
        try:
            await bus.publish(message.subject, message.data, message_id=message.id)
            accepted = True
        except MessageRefused as error:
            logger.error("the broker will never take %s: %s", message.id, error)
            accepted = False
        with self._lock:
            del self._in_flight[message.id]
            (self._accepted if accepted else self._refused)[message.kind] += message.reports
            kept = message.id in self._on_disk
            self._on_disk.discard(message.id)
        if kept:
            self._spool.remove(message.id)
        self._settle(message.id, accepted=accepted)

    def _next_batch(self, full: set[Lane]) -> list[Waiting]:
        """Never-shed kinds first, then evidence by descending shed priority."""
        with self._lock:
            self._refill()
            kinds = [k for k in (*_NEVER_SHED, *reversed(_SHEDDABLE)) if PAYLOADS[k].lane not in full]
            batch: list[Waiting] = []
            for kind in kinds:
                while self._queues[kind] and len(batch) < _BATCH:
                    batch.append(self._queues[kind].popleft())
            self._in_flight = {message.id: message for message in batch}
            return batch

    def _requeue(self) -> None:
        """What was not taken goes back to the front of its queue, in the old order."""
        with self._lock:
            for message in reversed(self._in_flight.values()):
                self._queues[message.kind].appendleft(message)
            self._in_flight = {}

    def _refill(self) -> None:
        """Load messages from disk into memory while there is space. Called with the lock held."""
        queued = self._in_memory()
        for message_id in sorted(self._on_disk - queued)[: max(0, _BATCH - len(queued))]:
            message = self._spool.read(message_id)
            if message is None or message.kind not in self._queues:
                self._on_disk.discard(message_id)
            else:
                self._queues[message.kind].append(message)

    def _persist_unsheddable(self) -> None:
        """The broker is away: what may never be shed goes to disk as well."""
        self._close_batches()
        with self._lock:
            precious = [m for k in _NEVER_SHED for m in self._queues[k] if m.id not in self._on_disk]
        for message in precious:
            if not self._written(message):
                return
            with self._lock:
                self._on_disk.add(message.id)

    def _written(self, message: Waiting) -> bool:
        """Whether the disk took the message."""
        try:
            self._spool.write(message)
        except OSError as error:
            if not self._disk_refuses:
                logger.warning("messages wait in memory only: %s", os_error_sentence(error))
            self._disk_refuses = True
            return False
        self._disk_refuses = False
        return True

    def _settle(self, message_id: str, *, accepted: bool) -> None:
        with self._lock:
            future = self._futures.pop(message_id, None)
        if future is not None and not future.done():
            future.set_result(accepted)


def _sheds_before(newcomer: str, victim: str) -> bool:
    """Whether the newcomer is cheaper than the cheapest that waits."""
    return newcomer in _SHEDDABLE and _SHEDDABLE.index(newcomer) < _SHEDDABLE.index(victim)
