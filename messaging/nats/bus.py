"""The bus over JetStream: streams, durable pull consumers and last-value buckets.

Speaks the JetStream API in JSON over `NatsConnection` directly, so that each call is one bounded request
whose subject a permission can name. Reads of last values are Direct Gets by subject: a site may be allowed
its own key and no other. A consumer is created again after any error, so that the bus continues with a
restarted broker or one whose store was lost.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from messaging.blobs import digest_of
from messaging.bus import (
    MAX_VALUE_BYTES,
    BucketState,
    Delivery,
    LatestValue,
    Link,
    PublishAck,
    StoredMessage,
    StreamSpec,
    StreamState,
)
from messaging.errors import ConfigurationError, WireError, WireUnavailable
from messaging.nats.connection import DEFAULT_TIMEOUT_S, NatsConnection, Reply
from messaging.nats.damage import has_lost_messages, reset_stream
from messaging.nats.refusals import ApiError

logger = logging.getLogger(__name__)

API = "$JS.API"
_NANOSECONDS = 1_000_000_000
_ERR_NAME_IN_USE = 10058
_NOT_FOUND = 404
_END_OF_PAGE = {"204", "404"}
_IDENTITY_LENGTH = 12


@dataclass(frozen=True)
class NatsDelivery:
    """One message of a durable consumer, acknowledged on its reply subject."""

    subject: str
    data: bytes
    message_id: str
    headers: Mapping[str, str]
    sequence: int
    attempt: int
    stored_at_utc: int
    wire: NatsConnection
    reply_to: str

    async def acknowledge(self, *, confirmed: bool = True) -> None:
        """Done with it; returns once the broker has confirmed it, or at once."""
        if confirmed:
            await self.wire.request(self.reply_to, b"+ACK")
        else:
            await self.wire.send(self.reply_to, b"+ACK", flush=False)

    async def retry_later(self, delay_s: float = 1.0) -> None:
        """Not now: deliver again after the delay."""
        await self.wire.send(self.reply_to, b'-NAK {"delay": %d}' % int(delay_s * _NANOSECONDS))

    async def refuse(self) -> None:
        """Never deliver again."""
        await self.wire.request(self.reply_to, b"+TERM")


class NatsBus:
    """A connection to one broker. `ack_wait_s`: how long a delivery may stay unacknowledged."""

    def __init__(self, wire: NatsConnection, *, ack_wait_s: float = 15.0) -> None:
        self._wire = wire
        self._ack_wait_s = ack_wait_s
        self._consumers: dict[tuple[str, str], str] = {}  # each with the run of the server that has it
        self._examined: dict[str, str] = {}  # streams, likewise

    @classmethod
    async def connect(
        cls, link: Link, *, timeout_s: float = DEFAULT_TIMEOUT_S, ack_wait_s: float = 15.0
    ) -> "NatsBus":
        """Connect. Raises what `NatsConnection.connect` raises."""
        return cls(await NatsConnection.connect(link, timeout_s=timeout_s), ack_wait_s=ack_wait_s)

    @property
    def wire(self) -> NatsConnection:
        """The connection, for the blobs of the same broker."""
        return self._wire

    @property
    def connected(self) -> bool:
        """Whether the connection is up now."""
        return self._wire.connected

    async def ensure_stream(self, spec: StreamSpec) -> None:
        """Create the stream or update it to the spec; keeps its messages."""
        await self.ensure_raw_stream(
            {
                "name": spec.name,
                "subjects": list(spec.subjects),
                "max_bytes": spec.max_bytes,
                "max_msg_size": spec.max_message_bytes,
                "max_age": int(spec.max_age_s * _NANOSECONDS),
                "duplicate_window": int(spec.duplicate_window_s * _NANOSECONDS),
                "deny_purge": spec.deny_purge,
                **_per_subject(spec),
            }
        )

    async def ensure_raw_stream(self, config: Mapping[str, Any]) -> None:
        """Create or update a stream from its JetStream configuration.

        It is stored in files, refuses what is new when it is full, lets nobody delete a single message, and
        is read by Direct Get.
        """
        whole = {
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "num_replicas": 1,
            "deny_delete": True,
            "allow_direct": True,
            **config,
        }
        body = json.dumps(whole).encode()
        try:
            await self.api(f"STREAM.CREATE.{config['name']}", body)
        except ApiError as error:
            if error.code != _ERR_NAME_IN_USE:
                raise error.translated(config["name"]) from error
            await self._update_stream(str(config["name"]), whole)

    async def publish(
        self, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> PublishAck:
        """Store one message and wait for the acknowledgement.

        Raises `WireFull`, `WireForbidden`, `WireUnavailable` (retry the same id) or `MessageRefused`
        (larger than the limit of stream or server).
        """
        sent = {**(headers or {}), **({"Nats-Msg-Id": message_id} if message_id else {})}
        reply = await self._wire.request(subject, data, headers=sent or None)
        answer = _parsed(reply, subject)
        if "error" in answer:
            raise ApiError(answer["error"]).translated(subject)
        return PublishAck(answer["stream"], int(answer["seq"]), bool(answer.get("duplicate", False)))

    async def pull(
        self, stream: str, durable: str, *, batch: int = 100, timeout_s: float = 1.0
    ) -> Sequence[Delivery]:
        """Next messages for a durable consumer, at most `batch`; empty when none came in time."""
        try:
            await self._ensure_consumer(stream, durable)
            waiting = await self._next(stream, durable, {"batch": batch, "no_wait": True}, batch, timeout_s)
            if waiting or timeout_s <= 0:
                return waiting
            linger = {"batch": 1, "expires": int(timeout_s * _NANOSECONDS)}
            return await self._next(stream, durable, linger, 1, timeout_s)
        except WireError:
            self._consumers.pop((stream, durable), None)
            raise

    async def purge_through(self, stream: str, sequence: int, *, subject: str = "") -> None:
        """Delete messages up to and including `sequence`, of all subjects or of one."""
        which = {"filter": subject} if subject else {}
        await self._asked(f"STREAM.PURGE.{stream}", {"seq": sequence + 1, **which})

    async def messages_by_subject(self, stream: str) -> Mapping[str, int]:
        """How many messages of each subject a stream has, read in pages."""
        found: dict[str, int] = {}
        while True:
            query = {"subjects_filter": ">", "offset": len(found)}
            info = await self._asked(f"STREAM.INFO.{stream}", query)
            page = info["state"].get("subjects") or {}
            found.update(page)
            if not page or len(found) >= int(info.get("total", 0)):
                return found

    async def purge_subject(self, stream: str, subject: str) -> None:
        """Delete the messages of one subject."""
        await self._asked(f"STREAM.PURGE.{stream}", {"filter": subject})

    async def stream_state(self, stream: str) -> StreamState:
        """Counters of a stream, which is reset first if its broker found it damaged.

        Its identity is derived from the time at which it was made, and from the last damage.
        """
        info, _ = await self._whole_stream(stream)
        state, made = info["state"], str(info["created"]) + str(info["config"].get("description", ""))
        identity = digest_of(made.encode())[:_IDENTITY_LENGTH]
        return StreamState(state["messages"], state["bytes"], state["first_seq"], state["last_seq"], identity)

    async def stored_messages(self, stream: str, first: int, limit: int) -> Sequence[StoredMessage]:
        """Messages of a stream from sequence `first` on, at most `limit`."""
        page = await self._page(stream, {"seq": first, "batch": limit, "next_by_subj": ">"}, limit)
        return [
            StoredMessage(
                int(reply.headers["Nats-Sequence"]),
                reply.headers["Nats-Subject"],
                reply.data,
                reply.headers.get("Nats-Msg-Id", ""),
                _seconds(reply.headers["Nats-Time-Stamp"]),
            )
            for reply in page
        ]

    async def acknowledged_through(self, stream: str, durable: str) -> int:
        """Highest sequence up to which the consumer has acknowledged everything."""
        await self._ensure_consumer(stream, durable)
        info = await self._asked(f"CONSUMER.INFO.{stream}.{durable}")
        return int(info["ack_floor"]["stream_seq"])

    async def ensure_latest(self, bucket: str) -> None:
        """Create a last-value bucket if absent."""
        await self.ensure_raw_stream(
            {
                "name": f"KV_{bucket}",
                "subjects": [f"$KV.{bucket}.>"],
                "max_msgs_per_subject": 1,
                "max_msg_size": MAX_VALUE_BYTES,
                "allow_rollup_hdrs": False,
                "deny_purge": True,
            }
        )

    async def put_latest(self, bucket: str, key: str, value: bytes) -> None:
        """Set the last value of a key."""
        await self.publish(f"$KV.{bucket}.{key}", value, message_id="")

    async def get_latest(self, bucket: str, key: str) -> bytes | None:
        """The last value of a key, or None."""
        reply = await self.direct_get(f"KV_{bucket}", f"$KV.{bucket}.{key}")
        return None if reply is None else reply.data

    async def direct_get(
        self, stream: str, subject: str = "", *, query: Mapping[str, Any] | None = None
    ) -> Reply | None:
        """One stored message, by last of `subject` or by `query`; None when there is none."""
        address = f"{API}.DIRECT.GET.{stream}" + (f".{subject}" if subject else "")
        reply = await self._wire.request(address, json.dumps(query).encode() if query else b"")
        if reply.status == str(_NOT_FOUND):
            return None
        if reply.status:
            raise WireError(f"reading {subject or query} of {stream}: {reply.headers.get('Description')}")
        return reply

    async def latest_after(self, bucket: str, sequence: int, limit: int) -> Sequence[LatestValue]:
        """Last values that were set after `sequence` (0: all), in the order of setting, at most `limit`."""
        prefix = f"$KV.{bucket}."
        query = {"seq": sequence + 1, "batch": limit, "next_by_subj": f"{prefix}>"}
        return [
            LatestValue(
                reply.headers["Nats-Subject"].removeprefix(prefix),
                reply.data,
                int(reply.headers["Nats-Sequence"]),
            )
            for reply in await self._page(f"KV_{bucket}", query, limit)
        ]

    async def bucket_state(self, bucket: str) -> BucketState:
        """How far a bucket is; one that was made again has another identity, and its own sequences."""
        state = await self.stream_state(f"KV_{bucket}")
        return BucketState(state.last_sequence, state.identity)

    async def hint(self, subject: str) -> None:
        """Send a wake-up without payload or guarantee."""
        await self._wire.send(subject)

    async def wait_hint(self, subject: str, timeout_s: float) -> bool:
        """Whether a hint came since the last call, or comes within `timeout_s`."""
        return await self._wire.wait_hint(subject, timeout_s)

    async def close(self) -> None:
        """Close; safe to call twice."""
        await self._wire.close()

    async def api(self, method: str, body: bytes = b"") -> dict[str, Any]:
        """One JetStream API call; raises a private error with the server's code."""
        answer = _parsed(await self._wire.request(f"{API}.{method}", body), method)
        if "error" in answer:
            raise ApiError(answer["error"])
        return answer

    async def _page(self, stream: str, query: Mapping[str, Any], limit: int) -> list[Reply]:
        """At most `limit` stored messages, read at once."""
        replies = await self._wire.collect(
            f"{API}.DIRECT.GET.{stream}", json.dumps(query).encode(), limit=limit + 1, timeout_s=5.0
        )
        if not replies or replies[-1].status not in _END_OF_PAGE:
            raise WireUnavailable(f"{stream} broke off after {len(replies)} messages")
        return replies[:-1]

    async def _asked(self, method: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            return await self.api(method, json.dumps(body).encode() if body else b"")
        except ApiError as error:
            raise error.translated(method) from error

    async def _update_stream(self, name: str, config: Mapping[str, Any]) -> None:
        """Change all settings but the description, which is part of the identity."""
        before = (await self._asked(f"STREAM.INFO.{name}"))["config"].get("description", "")
        try:
            await self.api(f"STREAM.UPDATE.{name}", json.dumps({**config, "description": before}).encode())
        except ApiError as error:
            raise ConfigurationError(f"stream {name} cannot take its new settings: {error}") from error

    async def _whole_stream(self, stream: str, seen: int = 0) -> tuple[dict[str, Any], bool]:
        """The server's description of a stream, and whether it was reset, which leaves it without consumers.

        It is if it is damaged, or ends before `seen`.
        """
        method, server = f"STREAM.INFO.{stream}", self._wire.server_id
        info = await self._asked(method)
        sound = info["state"]["last_seq"] >= seen
        if sound and self._examined.get(stream) != server:
            sound = not await has_lost_messages(self._asked, info, server)
        if not sound:
            await reset_stream(self._asked, info, server)
            self._consumers = {key: run for key, run in self._consumers.items() if key[0] != stream}
            info = await self._asked(method)
        self._examined[stream] = server
        return info, not sound

    async def _ensure_consumer(self, stream: str, durable: str) -> None:
        if self._consumers.get((stream, durable)) == self._wire.server_id:
            return
        config = {
            "durable_name": durable,
            "ack_policy": "explicit",
            "deliver_policy": "all",
            "ack_wait": int(self._ack_wait_s * _NANOSECONDS),
            "max_ack_pending": 1000,
            "max_deliver": -1,
        }
        body = {"stream_name": stream, "config": config}
        method, server = f"CONSUMER.DURABLE.CREATE.{stream}.{durable}", self._wire.server_id
        made = await self._asked(method, body)
        _, was_reset = await self._whole_stream(stream, made["delivered"]["stream_seq"])
        if was_reset:
            await self._asked(method, body)
        self._consumers[(stream, durable)] = server

    async def _next(
        self, stream: str, durable: str, query: Mapping[str, Any], limit: int, timeout_s: float
    ) -> list[NatsDelivery]:
        replies = await self._wire.collect(
            f"{API}.CONSUMER.MSG.NEXT.{stream}.{durable}",
            json.dumps(query).encode(),
            limit=limit,
            timeout_s=timeout_s + 1.0,
        )
        deliveries = [self._delivery(reply) for reply in replies if not reply.status]
        status = replies[-1].status if replies else "none"
        if not deliveries and status not in ("404", "408"):
            raise WireUnavailable(f"consumer {durable} of {stream} does not answer (status {status})")
        return deliveries

    def _delivery(self, reply: Reply) -> NatsDelivery:
        tokens = reply.reply_to.split(".")
        ahead = 4 if len(tokens) < 12 else 6
        return NatsDelivery(
            subject=reply.subject,
            data=reply.data,
            message_id=reply.headers.get("Nats-Msg-Id", ""),
            headers=reply.headers,
            sequence=int(tokens[ahead + 1]),
            attempt=int(tokens[ahead]),
            stored_at_utc=int(tokens[ahead + 3]) // _NANOSECONDS,
            wire=self._wire,
            reply_to=reply.reply_to,
        )


def _seconds(stamp: str) -> int:
    """A time stamp of the server (`2026-11-27T10:00:00.5Z`) in whole seconds since 1970."""
    return int(datetime.fromisoformat(f"{stamp[:19]}+00:00").timestamp())


def _per_subject(spec: StreamSpec) -> dict[str, Any]:
    """The settings of a stream that joins subjects and bounds the messages of each."""
    settings: dict[str, Any] = {}
    if spec.max_per_subject:
        settings |= {"max_msgs_per_subject": spec.max_per_subject, "discard_new_per_subject": True}
    if spec.subject_tokens:
        kept = ".".join(f"{{{{wildcard({n})}}}}" for n in range(1, spec.subject_tokens + 1))
        every = ".".join("*" for _ in spec.subjects[0].split("."))
        settings["subject_transform"] = {"src": every, "dest": kept}
    return settings


def _parsed(reply: Reply, what: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(reply.data)
    except ValueError:
        raise WireError(f"{what}: the broker's answer is not JSON ({reply.data[:40]!r})") from None
    return answer
