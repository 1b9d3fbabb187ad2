"""Idempotency keys of what starts work: the same request with the same key gets the answer of the first.

The answer is stored after the work began. A cloud that is killed between the two does the work again for a
repeated request; only the start of a campaign stores its key in the transaction that makes the campaign, and
is therefore not among these routes.
"""

import asyncio
import hashlib
import re
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud import dry_runs
from cloud.api.problems import problem
from cloud.store.campaign_store import AnswerStore
from messaging.resources import API_PREFIX, IDEMPOTENCY_HEADER

ROUTES = (
    "/rollouts",
    "/samples",
    "/teachers",
    "/models/{digest}/ticket",
    "/integrations/{name}/test",
    "/deliveries/{delivery}/replay",
    "/dead-letters/{letter}/replay",
    "/sites/{site}/verdict-requests",
)
REPLAYED_HEADER = "Idempotency-Replayed"
KEY = r"^[\x21-\x7e]{1,100}$"
MAX_BODY_CHARACTERS = 1 << 20


class RepeatedRequests:
    """An ASGI application around another; it runs behind the guard that found the principal."""

    def __init__(self, app: ASGIApp, *, answers: AnswerStore, routes: Sequence[str] = ROUTES) -> None:
        self._app, self._answers = app, answers
        self._patterns = [compile_path(API_PREFIX + path)[0] for path in routes]
        self._under_way: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        key = Headers(scope=scope).get(IDEMPOTENCY_HEADER) if scope["type"] == "http" else None
        if key is None or dry_runs.active() or scope["method"] != "POST" or not self._applies(scope["path"]):
            await self._app(scope, receive, send)
            return
        if re.match(KEY, key) is None:
            sentence = f"{IDEMPOTENCY_HEADER} is at most 100 printable characters without spaces"
            await problem(422, "not valid", sentence)(scope, receive, send)
            return
        stored = hashlib.sha256(f"{scope['state']['principal'].name} {key}".encode()).hexdigest()
        if stored in self._under_way:
            sentence = "a request with this idempotency key is under way; ask again when it has ended"
            await problem(409, "not now", sentence)(scope, receive, send)
            return
        self._under_way.add(stored)
        try:
            await self._once(stored, scope, receive, send)
        finally:
            self._under_way.discard(stored)

    def _applies(self, path: str) -> bool:
        return any(pattern.match(path) for pattern in self._patterns)

    async def _once(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _whole(receive)
        except HTTPException as error:  # too long; what answers errors of routes is further inside
            await problem(error.status_code, "refused", error.detail)(scope, receive, send)
            return
        fingerprint = hashlib.sha256(scope["path"].encode() + b"\0" + body).hexdigest()
        before = await asyncio.to_thread(self._answers.answer, key)
        if before is not None and before.fingerprint != fingerprint:
            sentence = "this idempotency key was sent with another request; take a new one"
            await problem(422, "not valid", sentence)(scope, receive, send)
            return
        if before is not None:
            again = Response(before.body, before.status, media_type="application/json")
            again.headers[REPLAYED_HEADER] = "true"
            await again(scope, receive, send)
            return
        answer = _Kept(send)
        await self._app(scope, _replaying(body, receive), answer)
        text = answer.body.decode("utf-8", "replace")
        if 200 <= answer.status < 300 and len(text) <= MAX_BODY_CHARACTERS:
            await asyncio.to_thread(
                self._answers.keep, key, fingerprint=fingerprint, status=answer.status, body=text
            )


async def _whole(receive: Receive) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """`receive` that begins with a body that was read already."""
    sent = False

    async def next_part() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_part


class _Kept:
    """Passes an answer on, and keeps its status and its body."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message).setdefault(REPLAYED_HEADER, "false")
        elif len(self.body) <= MAX_BODY_CHARACTERS:
            self.body += message.get("body", b"")
        await self._send(message)
