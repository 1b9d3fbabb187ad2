"""The REST API, `/api/v1`: one FastAPI application over the services; loopback, behind one token.

Errors are RFC 9457 problem details whose `detail` is the sentence of the error. Lists page by cursor;
what starts work takes an idempotency key. `/healthz`, `/readyz`, `/version`, `/metrics` and the OpenAPI
document need no token: they hold nothing about sites. No handler holds state.
"""

import contextlib
from importlib.metadata import PackageNotFoundError, version

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from cloud.api.auth import token_holds
from cloud.api.campaigns import campaign_routes
from cloud.api.classes import class_routes
from cloud.api.dead_letters import dead_letter_routes
from cloud.api.fleet import fleet_routes
from cloud.api.models import model_routes
from cloud.api.services import Services
from cloud.errors import BadRequest, CampaignRefused, NotKnown, NotNow, StoreUnavailable, WeightsRefused
from cloud.failure_modes.rules import FailureMode
from messaging.errors import BlindspotError, ConfigurationError
from messaging.resources import API_PREFIX, Problem, ReadinessResource, VersionResource

_STATUS: tuple[tuple[type[BlindspotError], int, str], ...] = (
    (NotKnown, 404, "not known"),
    (NotNow, 409, "not now"),
    (CampaignRefused, 409, "campaign refused"),
    (BadRequest, 400, "bad request"),
    (WeightsRefused, 422, "not valid"),
    (ConfigurationError, 422, "not valid"),
)


class NotAuthorisedError(Exception):
    """The token is missing or wrong."""


def build_api(services: Services, token: str) -> FastAPI:
    """The application."""
    app = FastAPI(title="Blindspot cloud", version=package_version(), docs_url=None, redoc_url=None)

    def authorised(request: Request) -> None:
        if not token_holds(request.headers.get("authorization"), token):
            raise NotAuthorisedError

    guard = [Depends(authorised)]
    for routes in (fleet_routes, dead_letter_routes, class_routes, campaign_routes, model_routes):
        app.include_router(routes(services), prefix=API_PREFIX, dependencies=guard)
    _add_errors(app)
    _add_health(app, services)
    return app


def package_version() -> str:
    """The installed version, or `0` from a checkout that was never installed."""
    try:
        return version("blindspot")
    except PackageNotFoundError:
        return "0"


def problem(status: int, title: str, detail: str) -> JSONResponse:
    """An RFC 9457 answer."""
    body = Problem(title=title, status=status, detail=detail).model_dump()
    return JSONResponse(body, status, media_type="application/problem+json")


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(BlindspotError)
    def ours(_request: Request, error: BlindspotError) -> JSONResponse:
        for kind, status, title in _STATUS:
            if isinstance(error, kind):
                return problem(status, title, str(error))
        return problem(503, "not possible", str(error))

    @app.exception_handler(NotAuthorisedError)
    def not_authorised(_request: Request, _error: NotAuthorisedError) -> JSONResponse:
        return problem(401, "not authorised", "send the token of the data folder as a bearer token")

    @app.exception_handler(RequestValidationError)
    def not_valid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, "not valid", f"{where}: {first['msg']}")

    @app.exception_handler(HTTPException)
    def http_error(_request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, "refused", str(error.detail))


def _add_health(app: FastAPI, services: Services) -> None:
    @app.get("/healthz", tags=["health"])
    def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    def readyz(response: Response) -> ReadinessResource:
        """Whether the cloud can work, and why not."""
        reasons = services.readiness()
        response.status_code = 503 if reasons else 200
        return ReadinessResource(ready=not reasons, reasons=reasons)

    @app.get("/version", tags=["health"])
    def version_() -> VersionResource:
        """What is running."""
        return VersionResource(version=package_version())

    @app.get("/metrics", tags=["health"])
    def metrics() -> Response:
        """Prometheus metrics."""
        _refresh_gauges(services)
        return Response(services.metrics.render(), media_type="text/plain; version=0.0.4")


def _refresh_gauges(services: Services) -> None:
    """Set the gauges; without a store they are absent, and the counters state why."""
    services.metrics.failure_modes.clear()
    modes: list[FailureMode] = []
    with contextlib.suppress(StoreUnavailable):
        modes = services.register.modes()
    for mode in modes:
        services.metrics.failure_modes.labels(status=mode.state.status).inc()
