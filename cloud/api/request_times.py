"""Counts the API's requests and their times, by the template of the route and never by the path."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.metrics import CloudMetrics
from cloud.tracing import Spans
from messaging.resources import API_PREFIX

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER, UNMATCHED = "other", "unmatched"


class RequestTimes:
    """ASGI middleware: the time until an answer begins, so that an event stream counts its first byte."""

    def __init__(self, app: ASGIApp, metrics: CloudMetrics, spans: Spans) -> None:
        self._app, self._metrics, self._spans = app, metrics, spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on; count it if it is a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        def count(status: int) -> None:
            note("http.response.status_code", status)
            method, route = scope["method"] if scope["method"] in METHODS else OTHER, route_of(scope)
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.request_s.labels(method, route).observe(time.perf_counter() - began)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        with self._spans.span("API request") as note:
            try:
                await self._app(scope, receive, counted)
            except Exception:
                count(500)
                raise
            finally:
                note("http.route", route_of(scope))


def route_of(scope: Scope) -> str:
    """The template of the route that took a request, with the API's prefix; `unmatched` if none did."""
    template = getattr(scope.get("route"), "path", None)
    if template is None:
        return UNMATCHED
    below = scope["path"].startswith(f"{API_PREFIX}/") and not template.startswith(API_PREFIX)
    return f"{API_PREFIX}{template}" if below else str(template)
