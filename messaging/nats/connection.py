"""One connection to a NATS server with time limits and our errors; the only module that imports nats-py.

Requests, requests with many replies, wake-up hints, subscriptions. It adds what nats-py lacks: a first
connection that fails in bounded time, permission errors that arrive only in the error callback (otherwise a
request without permission would time out), reconnecting a client that closed itself, failing the pending
requests of a lost broker, and reconnecting with a client certificate that was renewed. With TLS nothing is
sent or read before the handshake, so that nobody in between can keep a connection plain.
"""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client

from messaging.bus import Link
from messaging.errors import ConfigurationError, MessageRefused, WireError, WireForbidden, WireUnavailable
from messaging.nats.credentials import read_credentials, read_key
from messaging.nats.refusals import RefusedAttempts, refusal_of
from messaging.nats.written_bytes import WrittenBytes
from messaging.tls.certificates import read_keyed
from messaging.tls.connections import speaks_tls

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 5.0
_POLL_S = 0.02
_VIOLATION = re.compile(r"permissions violation for (publish|subscription) to \"([^\"]*)\"", re.IGNORECASE)
_STATUS = "Status"
# asyncio warns at each end of a TLS connection that nats-py upgrades by itself; nothing depends on it
logging.getLogger("asyncio").addFilter(lambda record: "eof_received" not in str(record.msg))


@dataclass(frozen=True)
class Reply:
    """What a server answered. `status` is the inline NATS status (404, 408 …), empty for a message."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    reply_to: str

    @property
    def status(self) -> str:
        """Inline status code, or an empty string."""
        return self.headers.get(_STATUS, "")


class NatsConnection:
    """A connection that reconnects by itself; every call returns or raises within its time limit."""

    def __init__(
        self,
        link: Link,
        timeout_s: float,
        tls: ssl.SSLContext | None = None,
        written: WrittenBytes | None = None,
    ) -> None:
        self._link = link
        self._written = written or WrittenBytes()
        self._tls = tls
        self._timeout_s = timeout_s
        self._client: Client | None = None
        self._opening = asyncio.Lock()
        self._waiting: dict[str, set[asyncio.Future[Reply]]] = {}
        self._refusal = RefusedAttempts()
        self._hints: dict[str, asyncio.Event] = {}
        self._followed: dict[str, Callable[[bytes], None]] = {}
        self._denied_subscriptions: set[str] = set()
        self._closed = False

    @classmethod
    async def connect(
        cls, link: Link, *, timeout_s: float = DEFAULT_TIMEOUT_S, written: WrittenBytes | None = None
    ) -> "NatsConnection":
        """Connect. Raises `WireUnavailable` within about `timeout_s`, and `ConnectionRefused` if the server
        accepts neither the credentials nor the certificate, or its own certificate is not accepted.

        Raises `ConfigurationError` for a credential or certificate file that is missing or damaged.
        `written` counts all that is written, also by an attempt that fails. A connection that is refused
        later is tried again after a second, then after twice as long each time, at most half a minute.
        """
        for path, remedy in (
            (link.credentials_path, ""),
            (link.nkey_seed_path, "; the site's broker makes it at its first start"),
        ):
            if path is not None and not Path(path).is_file():  # noqa: ASYNC240  # one stat, before connecting
                raise ConfigurationError(
                    f"{path} is missing; {link.name} cannot connect to {link.url}{remedy}"
                )
        if link.nkey_seed_path is not None:
            read_key(Path(link.nkey_seed_path))
        if link.credentials_path is not None:
            read_credentials(Path(link.credentials_path))
        wire = cls(link, timeout_s, None if link.tls is None else link.tls.context(), written)
        await wire._ready()
        return wire

    @property
    def connected(self) -> bool:
        """Whether the connection is up now."""
        return self._client is not None and bool(self._client.is_connected)

    @property
    def server_id(self) -> str:
        """The id of the server's present run, which changes whenever it starts; empty before the first."""
        info = {} if self._client is None else self._client._server_info  # noqa: SLF001  # not public
        return str(info.get("server_id", ""))

    async def request(
        self,
        subject: str,
        data: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Reply:
        """Send and await one reply.

        Raises `WireForbidden`, `WireUnavailable` (no reply in time, no responder, connection down) or
        `MessageRefused` (over the server's maximum payload).
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        client = await self._ready()
        refusal: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(subject.lower(), set()).add(refusal)
        answer = asyncio.ensure_future(
            client.request(subject, data, timeout=limit_s, headers=dict(headers) if headers else None)
        )
        try:
            await asyncio.wait({answer, refusal}, timeout=limit_s + 1, return_when=asyncio.FIRST_COMPLETED)
            if refusal.done():
                return refusal.result()
            if not answer.done():
                raise WireUnavailable(f"{self._link.url} gave no reply on {subject} in {limit_s:.1f} s")
            return _reply(answer.result())
        except (nats.errors.Error, OSError, ValueError) as error:
            raise self._translated(error, subject) from error
        finally:
            answer.cancel()
            refusal.cancel()
            self._forget(subject, refusal)

    async def collect(self, subject: str, data: bytes, *, limit: int, timeout_s: float) -> list[Reply]:
        """Send and gather replies until `limit` messages, an inline status, or the time is up.

        A closing status is the last element; without one, the time was up.
        """
        client = await self._ready()
        ended: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(subject.lower(), set()).add(ended)
        replies: list[Reply] = []

        async def receive(message: Any) -> None:
            if not ended.done():
                replies.append(_reply(message))
                if len(replies) >= limit or replies[-1].status:
                    ended.set_result(replies[-1])

        try:
            inbox = client.new_inbox()
            subscription = await client.subscribe(inbox, cb=receive)
            try:
                await client.publish(subject, data, reply=inbox)
                await asyncio.wait({ended}, timeout=timeout_s)
                if ended.done():
                    ended.result()
            finally:
                await subscription.unsubscribe()
        except (nats.errors.Error, OSError, ValueError) as error:
            raise self._translated(error, subject) from error
        finally:
            ended.cancel()
            self._forget(subject, ended)
        return replies

    async def send(self, subject: str, data: bytes = b"", *, flush: bool = True) -> None:
        """Send without awaiting a reply; with `flush`, returns once the server has read it."""
        client = await self._ready()
        try:
            await client.publish(subject, data)
            if flush:
                await client.flush(timeout=max(1, round(self._timeout_s)))
        except (nats.errors.Error, OSError, ValueError) as error:
            raise self._translated(error, subject) from error

    async def wait_hint(self, subject: str, timeout_s: float) -> bool:
        """Whether a message arrived on `subject` since the last call, or arrives within `timeout_s`."""
        received = self._hints.get(subject)
        if received is None:
            hinted = received = self._hints.setdefault(subject, asyncio.Event())
            await self.follow(subject, lambda _: hinted.set())
        try:
            await asyncio.wait_for(received.wait(), timeout_s)
        except TimeoutError:
            return False
        received.clear()
        if subject.lower() in self._denied_subscriptions:
            raise WireForbidden(f"{self._link.url} does not let {self._link.name} subscribe to {subject}")
        return True

    async def follow(self, subject: str, take: Callable[[bytes], None]) -> None:
        """Have `take` called in the event loop with the data of each message on `subject` from now on."""
        client = await self._ready()
        self._followed[subject] = take
        await self._listen(client, subject, take)

    async def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None and not client.is_closed:
            await _close_quietly(client)

    async def _ready(self) -> Client:
        """A connected client, within the time limit."""
        if self._closed:
            raise WireUnavailable(f"the connection to {self._link.url} was closed by this program")
        until = time.monotonic() + self._timeout_s
        async with self._opening:
            if self._client is None or self._client.is_closed:
                self._refusal.raise_while_held()
                self._client = await self._open()
                for subject, take in self._followed.items():
                    await self._listen(self._client, subject, take)
        client = self._client
        while not client.is_connected:
            if self._refusal.for_good:
                await _close_quietly(client)
                raise self._refusal.hold()
            if time.monotonic() > until or client.is_closed:
                raise WireUnavailable(
                    f"{self._link.url} does not answer ({self._refusal.text or 'no connection'})"
                )
            await asyncio.sleep(_POLL_S)
        return client

    async def _open(self) -> Client:
        self._refusal.note("", for_good=False)
        client = _CountedClient(self._written)
        opening = asyncio.ensure_future(
            client.connect(
                **_connect_options(self._link, self._tls),
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnect,
            )
        )
        until = time.monotonic() + self._timeout_s
        while not opening.done() and time.monotonic() < until and not self._refusal.for_good:
            await asyncio.wait({opening}, timeout=_POLL_S)
        if opening.done() and opening.exception() is None:
            self._refusal.accepted()
            return client
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await _close_quietly(client)
        if self._refusal.for_good:
            raise self._refusal.hold()
        why = self._refusal.text or "no response"
        if self._link.tls is None and await _requires_tls(self._link.url):
            why = "it requires TLS, and no certificates are configured for it"
        raise WireUnavailable(f"{self._link.url} did not answer within {self._timeout_s:.1f} s ({why})")

    async def _listen(self, client: Client, subject: str, take: Callable[[bytes], None]) -> None:
        async def receive(message: Any) -> None:
            take(bytes(message.data))

        try:
            await client.subscribe(subject, cb=receive)
        except (nats.errors.Error, OSError, ValueError) as error:
            raise self._translated(error, subject) from error

    async def _on_error(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        self._refusal.note(*refusal_of(self._link, error, time.time()))
        self._read_certificate_again()
        found = _VIOLATION.search(text)
        if found is None:
            logger.debug("connection %s to %s: %s", self._link.name, self._link.url, text)
            return
        action, subject = found.groups()
        logger.error("broker %s denies %s a %s to %s", self._link.url, self._link.name, action, subject)
        self._on_violation(subject.lower(), subscribing=action.lower() == "subscription")

    def _on_violation(self, subject: str, *, subscribing: bool) -> None:
        """Fail what waits: without its inbox subscription a client receives no reply at all."""
        for hint, received in self._hints.items():
            if subscribing and hint.lower() == subject:
                self._denied_subscriptions.add(subject)
                received.set()
                return
        error = WireForbidden(f"{self._link.url} does not allow {self._link.name} the subject {subject}")
        self._fail_waiting(error, None if subscribing else subject)

    async def _on_disconnect(self) -> None:
        """Fail all pending requests now: their replies will not arrive."""
        self._refusal.note("", for_good=False)
        self._read_certificate_again()
        self._fail_waiting(
            WireUnavailable(f"the connection to {self._link.url} was lost; send the same id again"), None
        )

    def _read_certificate_again(self) -> None:
        """Use the client's certificate as it is now in its file: it may have been renewed or replaced."""
        if self._tls is None or self._link.tls is None or self._link.tls.certificate is None:
            return
        try:
            read_keyed(self._link.tls.certificate)
            self._tls.load_cert_chain(self._link.tls.certificate)
        except (ConfigurationError, OSError) as error:
            logger.debug("the certificate of %s stays as it is: %s", self._link.name, error)

    def _fail_waiting(self, error: WireError, subject: str | None) -> None:
        for waited_for, futures in self._waiting.items():
            for future in futures:
                if subject in (None, waited_for) and not future.done():
                    future.set_exception(error)

    def _forget(self, subject: str, future: asyncio.Future[Reply]) -> None:
        waiting = self._waiting.get(subject.lower())
        if waiting is not None:
            waiting.discard(future)
            if not waiting:
                del self._waiting[subject.lower()]

    def _translated(self, error: Exception, subject: str) -> WireError | MessageRefused:
        if isinstance(error, nats.errors.MaxPayloadError):
            return MessageRefused(f"message on {subject} is over the maximum payload of {self._link.url}")
        if isinstance(error, nats.errors.NoRespondersError):
            return WireUnavailable(f"no stream at {self._link.url} accepts {subject}; is it set up?")
        if isinstance(error, ValueError | nats.errors.BadSubjectError):
            return WireError(f"{subject!r} is not a subject: {error}")
        return WireUnavailable(f"{self._link.url}, {subject}: {error or type(error).__name__}")


class _CountedClient(Client):  # type: ignore[misc]  # nats-py has no types
    """A client that counts what it writes: nats-py's own statistics leave out all but payloads."""

    def __init__(self, written: WrittenBytes) -> None:
        self._written, self._counted = written, None
        super().__init__()

    @property
    def _transport(self) -> Any:
        return self._counted

    @_transport.setter
    def _transport(self, transport: Any) -> None:
        if transport is not None:
            self._written.count_writes_of(transport)
        self._counted = transport


def _reply(message: Any) -> Reply:
    return Reply(message.subject, bytes(message.data), dict(message.headers or {}), message.reply)


async def _requires_tls(url: str) -> bool:
    address = urlsplit(url)
    return await speaks_tls(address.hostname or "", address.port or 0)


def _connect_options(link: Link, tls: ssl.SSLContext | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "servers": [link.url],
        "name": link.name,
        "connect_timeout": 2,
        "reconnect_time_wait": 0.2,
        "max_reconnect_attempts": -1,
        "ping_interval": 5,
        "max_outstanding_pings": 2,
    }
    if link.credentials_path:
        options["user_credentials"] = link.credentials_path
    if link.nkey_seed_path:
        options["nkeys_seed"] = link.nkey_seed_path
    if link.inbox_prefix:
        options["inbox_prefix"] = link.inbox_prefix
    if link.tls is not None:
        options |= {"tls": tls, "tls_handshake_first": True}
        if link.tls.server_name is not None:
            options["tls_hostname"] = link.tls.server_name
    return options


async def _close_quietly(client: Client) -> None:
    try:
        await asyncio.wait_for(client.close(), 2.0)
    except (nats.errors.Error, OSError, TimeoutError) as error:
        logger.debug("closing a connection: %s", error)
