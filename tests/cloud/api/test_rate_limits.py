"""Who asks too often is told when to ask again; health is never limited."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from cloud.api.rate_limits import KEPT_BUCKETS, RateLimits, TokenBuckets

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _ok(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def statuses(*sent: tuple[str, str | None], per_s: float = 1.0, burst: int = 2) -> list[int]:
    """Statuses of requests (path, token) at one moment."""
    app = Starlette(routes=[Route("/{rest:path}", _ok)])
    limited = RateLimits(app, per_s=per_s, burst=burst, monotonic=lambda: 100.0)
    transport = httpx.ASGITransport(limited)
    async with httpx.AsyncClient(transport=transport, base_url="http://cloud") as client:
        answers = [
            await client.get(path, headers={"Authorization": token} if token else {}) for path, token in sent
        ]
    for answer in answers:
        assert (answer.status_code == 429) is ("retry-after" in answer.headers)
    return [answer.status_code for answer in answers]


async def test_a_token_is_limited_and_another_one_is_not() -> None:
    assert await statuses(("/a", "one"), ("/a", "one"), ("/a", "one"), ("/a", "two")) == [200, 200, 429, 200]


async def test_another_token_with_each_request_is_limited_by_the_address() -> None:
    assert (await statuses(*(("/a", f"token {n}") for n in range(11)))).count(429) == 1


async def test_health_is_never_limited() -> None:
    assert set(await statuses(*[("/healthz", None)] * 30)) == {200}


def test_a_bucket_fills_again_and_says_how_long_it_takes() -> None:
    now = [0.0]
    buckets = TokenBuckets(2.0, 1.0, lambda: now[0])
    assert (buckets.wait_s("a"), buckets.wait_s("a"), buckets.wait_s("b")) == (0.0, 0.5, 0.0)
    now[0] = 0.25
    assert buckets.wait_s("a") == 0.25
    now[0] = 0.5
    assert (buckets.wait_s("a"), buckets.wait_s("a")) == (0.0, 0.5)


def test_many_names_take_no_more_room_than_is_kept() -> None:
    buckets = TokenBuckets(1.0, 1.0, lambda: 0.0)
    for number in range(KEPT_BUCKETS + 5):
        buckets.wait_s(str(number))
    assert buckets.wait_s(str(KEPT_BUCKETS)) == 1.0
    assert buckets.wait_s("0") == 0.0
