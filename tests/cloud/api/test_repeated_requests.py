"""The same request with the same idempotency key gets the first answer, and the work is done once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cloud.access.principal import Principal
from cloud.api.repeated_requests import RepeatedRequests
from cloud.store.campaign_store import AnswerStore
from cloud.store.database import open_database
from messaging.access_resources import UserRole
from messaging.resources import API_PREFIX, IDEMPOTENCY_HEADER
from messaging.runtime.quoting import sqlite_url

PATH = API_PREFIX + "/rollouts"

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Work:
    """An application that counts what it does; `fails` answers 409, `holds` waits."""

    def __init__(self, folder: Path) -> None:
        self.done: list[bytes] = []
        self.fails = False
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.database = open_database(sqlite_url(folder / "store.sqlite"))
        self.user = "ann"

    async def work(self, request: Request) -> JSONResponse:
        self.done.append(await request.body())
        await self.may_end.wait()
        return JSONResponse({"number": len(self.done)}, 409 if self.fails else 201)

    async def post(self, key: str | None, body: str = "{}", path: str = PATH) -> httpx.Response:
        inner = Starlette(routes=[Route("/{rest:path}", self.work, methods=["POST"])])
        if not hasattr(self, "app"):
            self.app = RepeatedRequests(inner, answers=AnswerStore(self.database))
        transport = httpx.ASGITransport(self._as_user(self.app))
        async with httpx.AsyncClient(transport=transport, base_url="http://cloud") as client:
            return await client.post(path, content=body, headers={IDEMPOTENCY_HEADER: key} if key else {})

    def _as_user(self, app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("state", {})["principal"] = Principal(self.user, UserRole.ADMIN)
            await app(scope, receive, send)

        return guarded


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    found = Work(tmp_path)
    yield found
    found.database.close()


async def test_a_repeated_request_gets_the_first_answer(work: Work) -> None:
    first, again = await work.post("k1"), await work.post("k1")
    assert [(one.status_code, one.json()) for one in (first, again)] == [(201, {"number": 1})] * 2
    assert (again.headers["idempotency-replayed"], work.done) == ("true", [b"{}"])


async def test_without_a_key_or_with_another_one_the_work_is_done_again(work: Work) -> None:
    for key in (None, None, "k1", "k2"):
        await work.post(key)
    assert len(work.done) == 4


async def test_a_key_belongs_to_one_request_and_to_one_user(work: Work) -> None:
    await work.post("k1")
    for body, path in (('{"a": 1}', PATH), ("{}", API_PREFIX + "/teachers")):
        refused = await work.post("k1", body, path)
        assert (refused.status_code, "another request" in refused.json()["detail"]) == (422, True)
    work.user = "bob"
    assert (await work.post("k1")).json() == {"number": 2}


async def test_a_refusal_is_not_kept(work: Work) -> None:
    work.fails = True
    assert (await work.post("k1")).status_code == 409
    work.fails = False
    assert (await work.post("k1")).json() == {"number": 2}


async def test_two_at_once_do_the_work_once(work: Work) -> None:
    work.may_end.clear()
    first = asyncio.create_task(work.post("k1"))
    while not work.done:
        await asyncio.sleep(0.01)
    assert (await work.post("k1")).status_code == 409
    work.may_end.set()
    assert (await first).status_code == 201


@pytest.mark.parametrize("key", ["a b", "x" * 101, "\tz"])
async def test_a_key_of_another_form_is_refused(work: Work, key: str) -> None:
    assert (await work.post(key)).status_code == 422
    assert work.done == []
