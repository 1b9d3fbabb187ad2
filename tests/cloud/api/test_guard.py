"""What is refused before a request's body is read: no token, too many bytes, a NUL in the address."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi import FastAPI, Request

from cloud.access.accounts import Accounts
from cloud.api.access.audit_trail import AuditTrail
from cloud.api.access.guard import LOGIN, WITHOUT_TOKEN, AccessGuard
from cloud.api.guard import MAX_BODY_BYTES, RequestGuard
from cloud.api.problems import add_problems
from cloud.store.report_store import ReportStore
from cloud.store.user_store import UserStore

SECRET = "a-token"
TOKEN = {"authorization": f"Bearer {SECRET}"}
PART = b"x" * (1 << 16)


def _application() -> RequestGuard:
    app = FastAPI()
    add_problems(app)

    @app.post("/{path:path}")
    async def take(request: Request) -> int:
        return len(await request.body())

    guarded = AccessGuard(
        app,
        routes=(),
        accounts=Accounts(cast(UserStore, None), SECRET, time.monotonic),
        sites=cast(ReportStore, None),
        trail=cast(AuditTrail, None),
    )
    return RequestGuard(guarded, body_limits={"/large": 4 * MAX_BODY_BYTES})


def _answer(path: str, headers: dict[str, str], parts: Iterator[bytes], query: str = "") -> tuple[int, int]:
    """The status of a request, and how many parts of its body were read."""
    read, statuses = 0, list[int]()

    async def receive() -> dict[str, Any]:
        nonlocal read
        if (part := next(parts, None)) is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        read += 1
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": query.encode(), "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(_application()(scope, receive, send))
    return statuses[0], read


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": ""}])
def test_without_the_token_not_a_byte_of_the_body_is_read(headers: dict[str, str]) -> None:
    assert _answer("/api/v1/teachers", headers, iter([PART] * 3000)) == (401, 0)


@pytest.mark.parametrize("path", ["/", "/api/v1/sites", "//healthz", "/healthz/", "/api/v1/../healthz"])
def test_every_address_but_five_and_the_login_needs_a_token(path: str) -> None:
    assert _answer(path, {}, iter([])) == (401, 0)
    assert all(_answer(open_path, {}, iter([]))[0] == 200 for open_path in (*WITHOUT_TOKEN, LOGIN))


def test_a_body_that_states_too_many_bytes_is_not_read() -> None:
    stated = {"content-length": str(MAX_BODY_BYTES + 1)}
    assert _answer("/", TOKEN | stated, iter([PART] * 17)) == (413, 0)


def test_a_body_of_unstated_length_is_read_up_to_the_limit() -> None:
    status, read = _answer("/", TOKEN, iter([PART] * 3000))
    assert (status, read) == (413, MAX_BODY_BYTES // len(PART) + 1)
    assert _answer("/", TOKEN, iter([PART] * 16)) == (200, 16)


def test_a_path_may_have_a_limit_of_its_own() -> None:
    assert _answer("/large", TOKEN, iter([PART] * 64)) == (200, 64)
    assert _answer("/large", TOKEN, iter([PART] * 65))[0] == 413


@pytest.mark.parametrize(("path", "query"), [("/a\0", ""), ("/a", "site=%00")])
def test_an_address_with_a_nul_character_is_refused(path: str, query: str) -> None:
    assert _answer(path, TOKEN, iter([]), query) == (400, 0)
