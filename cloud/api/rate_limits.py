"""Limits of the rate of requests: a token bucket for each token, and a larger one for each address.

The bucket of an address limits who sends another token with each request. Health routes are never limited.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cloud.api.access.guard import WITHOUT_TOKEN
from cloud.api.problems import problem

ADDRESS_FACTOR = 5.0
KEPT_BUCKETS = 10_000


@dataclass
class _Bucket:
    left: float
    at_s: float


class TokenBuckets:
    """Buckets that hold `burst` requests and fill at `per_s`; the last `KEPT_BUCKETS` in use are kept."""

    def __init__(self, per_s: float, burst: float, monotonic: Callable[[], float]) -> None:
        self._per_s, self._burst, self._monotonic = per_s, burst, monotonic
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, name: str) -> float:
        """Take one request out; 0 if there was one, else the seconds until there will be."""
        now = self._monotonic()
        bucket = self._buckets.pop(name, None) or _Bucket(self._burst, now)
        left = min(self._burst, bucket.left + (now - bucket.at_s) * self._per_s)
        self._buckets[name] = _Bucket(left - 1.0 if left >= 1.0 else left, now)
        if len(self._buckets) > KEPT_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if left >= 1.0 else (1.0 - left) / self._per_s


class RateLimits:
    """An ASGI application around another: 429 with `Retry-After` for who asks too often."""

    def __init__(self, app: ASGIApp, *, per_s: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._app = app
        self._of_token = TokenBuckets(per_s, burst, monotonic)
        self._of_address = TokenBuckets(per_s * ADDRESS_FACTOR, burst * ADDRESS_FACTOR, monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http" or scope["path"] in WITHOUT_TOKEN:
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        address = client[0] if client else "unknown"
        wait_s = self._of_address.wait_s(address)
        sent = Headers(scope=scope).get("authorization")
        if wait_s == 0.0 and sent is not None:
            wait_s = self._of_token.wait_s(hashlib.sha256(sent.encode()).hexdigest())
        if wait_s == 0.0:
            await self._app(scope, receive, send)
            return
        after = math.ceil(wait_s)
        answer = problem(429, "too many requests", f"too many requests; ask again in {after} s")
        answer.headers["Retry-After"] = str(after)
        await answer(scope, receive, send)
