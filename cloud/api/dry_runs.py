"""Dry runs of requests: the header `Blindspot-Dry-Run: true` validates a change without making it.

The answer names in one sentence what the request would do; a refusal is that of the request itself. A dry run
is no change, so that it is in no audit log.
"""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.access.permissions import READING
from cloud.api.problems import problem
from cloud.dry_runs import DryRunEnded, dry_run
from messaging.resources import DRY_RUN_HEADER, DryRunResource


class DryRuns:
    """An ASGI application around another; every answer to a dry run has the header too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        asked = Headers(scope=scope).get(DRY_RUN_HEADER) if scope["type"] == "http" else None
        if asked is None or scope["method"] in READING:
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[DRY_RUN_HEADER] = "true"
            await send(message)

        if asked != "true":
            refused = problem(422, "not valid", f"{DRY_RUN_HEADER}: write true, or leave it out")
            await refused(scope, receive, marked)
            return
        with dry_run():
            await self._app(scope, receive, marked)


def add_dry_run_answer(app: FastAPI) -> None:
    """Answer a dry run that has ended with what its route would do."""

    @app.exception_handler(DryRunEnded)
    def ended(request: Request, _end: DryRunEnded) -> JSONResponse:
        sentence = (request.scope["endpoint"].__doc__ or "").strip().splitlines()[0]
        return JSONResponse(DryRunResource(would=sentence).model_dump())
