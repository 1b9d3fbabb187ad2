"""What is checked before a request is routed and its body is read: token, characters, length of the body.

Only the addresses that hold nothing about sites need no token.
"""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.auth import token_holds
from cloud.api.problems import problem

MAX_BODY_BYTES = 1 << 20
WITHOUT_TOKEN = frozenset({"/healthz", "/readyz", "/version", "/metrics", "/openapi.json"})


class RequestGuard:
    """An ASGI application around another: 401 without the token, 413 for a body over the limit.

    `body_limits` are the paths whose bodies may have another number of bytes than `MAX_BODY_BYTES`.
    """

    def __init__(self, app: ASGIApp, *, token: str, body_limits: Mapping[str, int]) -> None:
        self._app, self._token, self._body_limits = app, token, body_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"] not in WITHOUT_TOKEN and not token_holds(headers.get("authorization"), self._token):
            refused = problem(401, "not authorised", "send the token of the data folder as a bearer token")
            await refused(scope, receive, send)
            return
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            refused = problem(400, "bad request", "the address has a NUL character, which no name has")
            await refused(scope, receive, send)
            return
        limit = self._body_limits.get(scope["path"], MAX_BODY_BYTES)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            await problem(413, "too long", _too_long(limit))(scope, receive, send)
            return
        await self._app(scope, _limited(receive, limit), send)


def _limited(receive: Receive, limit: int) -> Receive:
    """`receive` that raises `HTTPException` once the body, whose length may not be stated, has more bytes."""
    received = 0

    async def next_part() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413, _too_long(limit))
        return message

    return next_part


def _too_long(limit: int) -> str:
    return f"the body has more than the {limit} bytes that this address takes; send less"
