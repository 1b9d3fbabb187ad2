"""The seam for messages: publish with acknowledgement, pull with acknowledgement, last values.

Two back ends pass one contract suite: `memory_bus` and `nats.bus`. "Accepted" means stored durably by
the broker (full fsync); a message id seen within the stream's window is accepted once. Errors are those
of `messaging.errors`; every back end translates foreign ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from messaging.tls.connections import ClientTls

MAX_VALUE_BYTES = 8 * 1024
"""The largest last value of a key."""


@dataclass(frozen=True)
class StreamSpec:
    """A durable stream that captures subjects. A full stream refuses (`WireFull`) and drops nothing.

    `deny_purge`: nobody, not even its owner, may purge it, and this is for good. `subject_tokens`: messages
    are stored under so many tokens of their subject (0: under all of it), `max_per_subject`: and at most so
    many of each (0: any number); one more is refused like one that a full stream refuses.
    """

    name: str
    subjects: tuple[str, ...]
    max_bytes: int
    max_message_bytes: int
    max_age_s: float = 0.0
    duplicate_window_s: float = 7200.0
    deny_purge: bool = False
    subject_tokens: int = 0
    max_per_subject: int = 0

    def stored_subject(self, subject: str) -> str:
        """The subject under which a message is stored."""
        return ".".join(subject.split(".")[: self.subject_tokens]) if self.subject_tokens else subject


@dataclass(frozen=True)
class PublishAck:
    """The broker has stored the message; `duplicate`: it had stored this id before."""

    stream: str
    sequence: int
    duplicate: bool


class Delivery(Protocol):
    """One message delivered to a consumer; it is delivered again unless acknowledged or refused."""

    @property
    def subject(self) -> str:
        """The subject under which it is stored."""

    @property
    def data(self) -> bytes:
        """The message."""

    @property
    def message_id(self) -> str:
        """The id it was published with."""

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers."""

    @property
    def sequence(self) -> int:
        """Its number in the stream, from 1."""

    @property
    def stored_at_utc(self) -> int:
        """When the broker stored it, seconds since 1970 by the broker's clock."""

    @property
    def attempt(self) -> int:
        """1 on the first delivery."""

    async def acknowledge(self, *, confirmed: bool = True) -> None:
        """Mark it as processed; `confirmed`: return when the broker has confirmed this."""

    async def retry_later(self, delay_s: float = 1.0) -> None:
        """Have it delivered again after the delay."""

    async def refuse(self) -> None:
        """Have it never delivered again, because the message itself is invalid."""


async def acknowledge_all(deliveries: Sequence[Delivery]) -> None:
    """Mark deliveries of one consumer as processed; returns when the broker has confirmed the last.

    A broker takes the acknowledgements of a connection in the order in which they were sent. One that is lost
    in spite of that has its message delivered again.
    """
    for delivery in deliveries[:-1]:
        await delivery.acknowledge(confirmed=False)
    for delivery in deliveries[-1:]:
        await delivery.acknowledge()


@dataclass(frozen=True)
class StreamState:
    """Counters of a stream, and its identity: a stream that was deleted and made again has another one."""

    messages: int
    bytes: int
    first_sequence: int
    last_sequence: int
    identity: str


@dataclass(frozen=True)
class BucketState:
    """The sequence of the value that was set last, and the bucket's identity, as of a stream."""

    last_sequence: int
    identity: str


@dataclass(frozen=True)
class LatestValue:
    """The last value of a key; `sequence`: later values of the bucket have higher ones."""

    key: str
    value: bytes
    sequence: int


@dataclass(frozen=True)
class StoredMessage:
    """One message as it is kept in a stream."""

    sequence: int
    subject: str
    data: bytes
    message_id: str
    stored_at_utc: int


class Bus(Protocol):
    """A connection to one broker."""

    async def ensure_stream(self, spec: StreamSpec) -> None:
        """Create the stream or update it to the spec; keeps its messages."""

    async def publish(
        self, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> PublishAck:
        """Store one message.

        Raises `WireFull`, `WireForbidden`, `WireUnavailable` (retry the same id) or `MessageRefused`
        (larger than the stream or the server accepts).
        """

    async def pull(
        self, stream: str, durable: str, *, batch: int = 100, timeout_s: float = 1.0
    ) -> Sequence[Delivery]:
        """Next messages for a durable consumer, at most `batch`; empty when none came in time."""

    async def purge_through(self, stream: str, sequence: int, *, subject: str = "") -> None:
        """Delete messages up to and including `sequence`, of all subjects or of one."""

    async def messages_by_subject(self, stream: str) -> Mapping[str, int]:
        """How many messages of each subject a stream has."""

    async def stream_state(self, stream: str) -> StreamState:
        """Counters and identity of a stream."""

    async def stored_messages(self, stream: str, first: int, limit: int) -> Sequence[StoredMessage]:
        """Messages of a stream from sequence `first` on, at most `limit`; consumers are not affected."""

    async def acknowledged_through(self, stream: str, durable: str) -> int:
        """Highest sequence up to which the consumer has acknowledged everything."""

    async def ensure_latest(self, bucket: str) -> None:
        """Create a last-value bucket if absent."""

    async def put_latest(self, bucket: str, key: str, value: bytes) -> None:
        """Set the last value of a key."""

    async def get_latest(self, bucket: str, key: str) -> bytes | None:
        """The last value of a key, or None."""

    async def latest_after(self, bucket: str, sequence: int, limit: int) -> Sequence[LatestValue]:
        """Last values that were set after `sequence` (0: all), in the order of setting, at most `limit`."""

    async def bucket_state(self, bucket: str) -> BucketState:
        """How far a bucket is; one that was made again has another identity, and its own sequences."""

    async def hint(self, subject: str) -> None:
        """Send a wake-up without payload or guarantee."""

    async def wait_hint(self, subject: str, timeout_s: float) -> bool:
        """Whether a hint came since the last call, or comes within `timeout_s`."""

    async def close(self) -> None:
        """Drain and close; safe to call twice."""


@dataclass(frozen=True)
class Link:
    """How to reach a broker; without `tls` the connection is not encrypted."""

    url: str
    name: str
    credentials_path: str | None = None
    nkey_seed_path: str | None = None
    tls: ClientTls | None = None
    inbox_prefix: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
