"""The REST API, `/api/v1`: one FastAPI application over the services; every request has a token.

Errors are RFC 9457 problem details whose `detail` is the sentence of the error. Lists page by cursor;
what starts work takes an idempotency key. `/healthz`, `/readyz`, `/version`, `/metrics` and the OpenAPI
document need no token: they hold nothing about sites. No handler holds state.
"""

from fastapi import FastAPI, Response

from cloud.api.access.audit_trail import AuditTrail
from cloud.api.access.guard import AccessGuard
from cloud.api.access.permissions import differences, routes_of
from cloud.api.campaigns import campaign_routes
from cloud.api.classes import class_routes
from cloud.api.dead_letters import dead_letter_routes
from cloud.api.fleet import fleet_routes
from cloud.api.gauges import scraped
from cloud.api.guard import RequestGuard
from cloud.api.hazards import hazard_routes
from cloud.api.integrations import integration_routes
from cloud.api.models import TEACHERS, model_routes
from cloud.api.problems import add_problems
from cloud.api.request_times import RequestTimes
from cloud.api.services import Services
from cloud.api.users import user_routes
from messaging.monitoring.metric_set import CONTENT_TYPE
from messaging.resources import API_PREFIX, ReadinessResource, VersionResource
from messaging.runtime.program import package_version
from messaging.trust.manifest import MAX_BUNDLE_BYTES


def build_api(services: Services) -> FastAPI:
    """The application. Raises `ValueError` for a route that changes something without a permission."""
    app = FastAPI(title="Blindspot cloud", version=package_version(), docs_url=None, redoc_url=None)
    app.state.services = services
    fleet = fleet_routes, hazard_routes, dead_letter_routes, integration_routes
    learning = class_routes, campaign_routes, model_routes
    for routes in (*fleet, *learning, user_routes):
        app.include_router(routes(services), prefix=API_PREFIX)
    _add_health(app, services)
    if wrong := differences(routes_of(app)):
        raise ValueError(f"cloud.api.access.permissions and the routes differ in {', '.join(wrong)}")
    app.add_middleware(
        AccessGuard,
        routes=routes_of(app),
        accounts=services.accounts,
        sites=services.reports,
        trail=AuditTrail(services),
    )
    app.add_middleware(RequestGuard, body_limits={API_PREFIX + TEACHERS: MAX_BUNDLE_BYTES})
    app.add_middleware(RequestTimes, metrics=services.metrics, spans=services.spans)
    add_problems(app)
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
