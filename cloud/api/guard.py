"""What is checked of a request first: the characters of its address, the length of its body."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.problems import problem

MAX_BODY_BYTES = 1 << 20


class RequestGuard:
    """An ASGI application around another: 400 for a NUL in the address, 413 for a body over the limit.

    `body_limits` are the paths whose bodies may have another number of bytes than `MAX_BODY_BYTES`.
    """

    def __init__(self, app: ASGIApp, *, body_limits: Mapping[str, int]) -> None:
        self._app, self._body_limits = app, body_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            refused = problem(400, "bad request", "the address has a NUL character, which no name has")
            await refused(scope, receive, send)
            return
        limit = self._body_limits.get(scope["path"], MAX_BODY_BYTES)
        length = Headers(scope=scope).get("content-length", "")
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
