"""The REST API, `/api/v1`: one FastAPI application over the services; loopback, behind one token.

Errors are RFC 9457 problem details whose `detail` is the sentence of the error. Lists page by cursor;
what starts work takes an idempotency key. `/healthz`, `/readyz`, `/version`, `/metrics` and the OpenAPI
document need no token: they hold nothing about sites. No handler holds state.
"""

from fastapi import FastAPI, Response

from cloud.api.campaigns import campaign_routes
from cloud.api.classes import class_routes
from cloud.api.dead_letters import dead_letter_routes
from cloud.api.fleet import fleet_routes
from cloud.api.gauges import scraped
from cloud.api.guard import RequestGuard
from cloud.api.models import TEACHERS, model_routes
from cloud.api.problems import add_problems
from cloud.api.request_times import RequestTimes
from cloud.api.services import Services
from messaging.monitoring.metric_set import CONTENT_TYPE
from messaging.resources import API_PREFIX, ReadinessResource, VersionResource
from messaging.runtime.program import package_version
from messaging.trust.manifest import MAX_BUNDLE_BYTES


def build_api(services: Services, token: str) -> FastAPI:
    """The application."""
    app = FastAPI(title="Blindspot cloud", version=package_version(), docs_url=None, redoc_url=None)

    for routes in (fleet_routes, dead_letter_routes, class_routes, campaign_routes, model_routes):
        app.include_router(routes(services), prefix=API_PREFIX)
    app.add_middleware(RequestGuard, token=token, body_limits={API_PREFIX + TEACHERS: MAX_BUNDLE_BYTES})
    app.add_middleware(RequestTimes, metrics=services.metrics, spans=services.spans)
    add_problems(app)
    _add_health(app, services)
    return app


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
        return Response(scraped(services), media_type=CONTENT_TYPE)
