"""The bus in memory, for tests and for programs that need no broker.

Satisfies the contract of `messaging.bus` within one process and one event loop: duplicate ids, full streams,
redelivery of unacknowledged messages, last values and hints. Several components may use one object.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from messaging.bus import (
    BucketState,
    Delivery,
    LatestValue,
    PublishAck,
    StoredMessage,
    StreamSpec,
    StreamState,
)
from messaging.errors import MessageRefused, WireFull, WireUnavailable

_POLL_S = 0.005


@dataclass(frozen=True)
class _Stored:
    sequence: int
    subject: str
    data: bytes
    message_id: str
    headers: Mapping[str, str]
    stored_at_utc: int = 0


@dataclass
class _Consumer:
    done: set[int] = field(default_factory=set)
    attempts: dict[int, int] = field(default_factory=dict)
    due_at_s: dict[int, float] = field(default_factory=dict)


@dataclass
class _Stream:
    spec: StreamSpec
    messages: list[_Stored] = field(default_factory=list)
    ids: dict[str, tuple[int, float]] = field(default_factory=dict)
    last_sequence: int = 0
    identity: str = field(default_factory=lambda: secrets.token_hex(6))
    consumers: dict[str, _Consumer] = field(default_factory=dict)

    @property
    def by_subject(self) -> Counter[str]:
        return Counter(m.subject for m in self.messages)

    @property
    def bytes(self) -> int:
        return sum(len(m.data) for m in self.messages)


@dataclass
class _Bucket:
    values: dict[str, LatestValue] = field(default_factory=dict)
    last_sequence: int = 0
    identity: str = field(default_factory=lambda: secrets.token_hex(6))


@dataclass(frozen=True)
class MemoryDelivery:
    """One message of a consumer in memory."""

    subject: str
    data: bytes
    message_id: str
    headers: Mapping[str, str]
    sequence: int
    attempt: int
    stored_at_utc: int
    consumer: _Consumer
    clock: Callable[[], float]

    async def acknowledge(self, *, confirmed: bool = True) -> None:
        """Mark it as processed, at once in either case."""
        self.consumer.done.add(self.sequence)

    async def retry_later(self, delay_s: float = 1.0) -> None:
        """Have it delivered again after the delay."""
        self.consumer.due_at_s[self.sequence] = self.clock() + delay_s

    async def refuse(self) -> None:
        """Have it never delivered again."""
        self.consumer.done.add(self.sequence)


class MemoryBus:
    """Streams, consumers and last values in dictionaries."""

    def __init__(
        self,
        *,
        ack_wait_s: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
        now_utc: Callable[[], float] = time.time,
    ) -> None:
        """Args: `clock` is monotonic seconds, `now_utc` seconds since 1970, noted with each message."""
        self._ack_wait_s = ack_wait_s
        self._clock = clock
        self._now_utc = now_utc
        self._streams: dict[str, _Stream] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._hints: dict[str, asyncio.Event] = {}

    async def ensure_stream(self, spec: StreamSpec) -> None:
        """Create the stream or update it to the spec."""
        known = self._streams.get(spec.name)
        if known is None:
            self._streams[spec.name] = _Stream(spec)
        else:
            known.spec = spec

    async def publish(
        self, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> PublishAck:
        """Store one message; duplicate ids within the window are accepted once."""
        stream = self._capturing(subject)
        spec, now_s = stream.spec, self._clock()
        if len(data) > spec.max_message_bytes:
            raise MessageRefused(
                f"message on {subject} has {len(data)} bytes, {spec.name} takes {spec.max_message_bytes}"
            )
        seen = stream.ids.get(message_id) if message_id else None
        if seen is not None and now_s - seen[1] < spec.duplicate_window_s:
            return PublishAck(spec.name, seen[0], duplicate=True)
        if stream.bytes + len(data) > spec.max_bytes:
            raise WireFull(f"{spec.name} holds {stream.bytes} of {spec.max_bytes} bytes; shed or purge first")
        stored = spec.stored_subject(subject)
        if spec.max_per_subject and stream.by_subject[stored] >= spec.max_per_subject:
            raise WireFull(f"{spec.name} holds {spec.max_per_subject} messages of {stored}; purge first")
        stream.last_sequence += 1
        whole = {**(headers or {}), **({"Nats-Msg-Id": message_id} if message_id else {})}
        at_utc = int(self._now_utc())
        stream.messages.append(_Stored(stream.last_sequence, stored, data, message_id, whole, at_utc))
        if message_id:
            stream.ids[message_id] = (stream.last_sequence, now_s)
        return PublishAck(spec.name, stream.last_sequence, duplicate=False)

    async def pull(
        self, stream: str, durable: str, *, batch: int = 100, timeout_s: float = 1.0
    ) -> Sequence[Delivery]:
        """Next messages for a durable consumer; empty when none came in time."""
        until = time.monotonic() + timeout_s
        while True:
            found = self._due(self._named(stream), durable, batch)
            if found or time.monotonic() >= until:
                return found
            await asyncio.sleep(_POLL_S)

    async def purge_through(self, stream: str, sequence: int, *, subject: str = "") -> None:
        """Delete messages up to and including `sequence`, of all subjects or of one."""
        known = self._named(stream)
        known.messages = [
            m for m in known.messages if m.sequence > sequence or subject not in ("", m.subject)
        ]

    async def messages_by_subject(self, stream: str) -> Mapping[str, int]:
        """How many messages of each subject a stream has."""
        return self._named(stream).by_subject

    async def stream_state(self, stream: str) -> StreamState:
        """Counters and identity of a stream."""
        known = self._named(stream)
        first = known.messages[0].sequence if known.messages else known.last_sequence + 1
        return StreamState(len(known.messages), known.bytes, first, known.last_sequence, known.identity)

    async def stored_messages(self, stream: str, first: int, limit: int) -> Sequence[StoredMessage]:
        """Messages of a stream from sequence `first` on, at most `limit`."""
        kept = [m for m in self._named(stream).messages if m.sequence >= first]
        return [
            StoredMessage(m.sequence, m.subject, m.data, m.message_id, m.stored_at_utc) for m in kept[:limit]
        ]

    async def acknowledged_through(self, stream: str, durable: str) -> int:
        """Highest sequence up to which everything that is left was acknowledged."""
        known = self._named(stream)
        done = known.consumers.setdefault(durable, _Consumer()).done
        left = [m.sequence for m in known.messages if m.sequence not in done]
        return left[0] - 1 if left else known.last_sequence

    async def ensure_latest(self, bucket: str) -> None:
        """Create a last-value bucket if absent."""
        self._buckets.setdefault(bucket, _Bucket())

    async def put_latest(self, bucket: str, key: str, value: bytes) -> None:
        """Set the last value of a key."""
        known = self._bucket(bucket)
        known.last_sequence += 1
        known.values.pop(key, None)  # the newest is the last one
        known.values[key] = LatestValue(key, value, known.last_sequence)

    async def get_latest(self, bucket: str, key: str) -> bytes | None:
        """The last value of a key, or None."""
        found = self._bucket(bucket).values.get(key)
        return None if found is None else found.value

    async def latest_after(self, bucket: str, sequence: int, limit: int) -> Sequence[LatestValue]:
        """Last values that were set after `sequence` (0: all), in the order of setting, at most `limit`."""
        later = (one for one in self._bucket(bucket).values.values() if one.sequence > sequence)
        return list(islice(later, limit))

    async def bucket_state(self, bucket: str) -> BucketState:
        """How far a bucket is; one that was made again has another identity, and its own sequences."""
        known = self._bucket(bucket)
        return BucketState(known.last_sequence, known.identity)

    async def hint(self, subject: str) -> None:
        """Wake a waiter on the subject."""
        self._hints.setdefault(subject, asyncio.Event()).set()

    async def wait_hint(self, subject: str, timeout_s: float) -> bool:
        """Whether a hint came since the last call, or comes within `timeout_s`."""
        hinted = self._hints.setdefault(subject, asyncio.Event())
        try:
            await asyncio.wait_for(hinted.wait(), timeout_s)
        except TimeoutError:
            return False
        hinted.clear()
        return True

    async def close(self) -> None:
        """Does nothing; stored messages are kept."""

    def _named(self, stream: str) -> _Stream:
        if stream not in self._streams:
            raise WireUnavailable(f"there is no stream {stream}; set it up first")
        return self._streams[stream]

    def _bucket(self, bucket: str) -> _Bucket:
        if bucket not in self._buckets:
            raise WireUnavailable(f"there is no bucket {bucket}; set it up first")
        return self._buckets[bucket]

    def _capturing(self, subject: str) -> _Stream:
        for stream in self._streams.values():
            if any(subject_matches(pattern, subject) for pattern in stream.spec.subjects):
                return stream
        raise WireUnavailable(f"no stream takes {subject}; is it set up?")

    def _due(self, stream: _Stream, durable: str, batch: int) -> list[MemoryDelivery]:
        consumer = stream.consumers.setdefault(durable, _Consumer())
        now_s = self._clock()
        due = [
            m
            for m in stream.messages
            if m.sequence not in consumer.done and consumer.due_at_s.get(m.sequence, 0.0) <= now_s
        ][:batch]
        for message in due:
            consumer.attempts[message.sequence] = consumer.attempts.get(message.sequence, 0) + 1
            consumer.due_at_s[message.sequence] = now_s + self._ack_wait_s
        return [
            MemoryDelivery(
                subject=m.subject,
                data=m.data,
                message_id=m.message_id,
                headers=m.headers,
                sequence=m.sequence,
                attempt=consumer.attempts[m.sequence],
                stored_at_utc=m.stored_at_utc,
                consumer=consumer,
                clock=self._clock,
            )
            for m in due
        ]


def subject_matches(pattern: str, subject: str) -> bool:
    """Whether a subject falls under a pattern with `*` (one token) and `>` (the rest, at least one)."""
    wanted, given = pattern.split("."), subject.split(".")
    for position, token in enumerate(wanted):
        if token == ">":
            return len(given) > position
        if position >= len(given) or token not in ("*", given[position]):
            return False
    return len(wanted) == len(given)
