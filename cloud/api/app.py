"""The REST API, `/api/v1`: one FastAPI application over the services; every request has a token.

Errors are RFC 9457 problem details whose `detail` is the sentence of the error. Lists page by cursor;
what starts work takes an idempotency key. `/healthz`, `/readyz`, `/version`, `/metrics` and the OpenAPI
document need no token: they hold nothing about sites. No handler holds state.
"""

import time

from fastapi import FastAPI

from cloud.api.access.audit_trail import AuditTrail
from cloud.api.access.guard import AccessGuard
from cloud.api.access.permissions import differences, routes_of
from cloud.api.dry_runs import DryRuns, add_dry_run_answer
from cloud.api.guard import RequestGuard
from cloud.api.openapi_document import document_errors_and_examples
from cloud.api.problems import add_problems
from cloud.api.rate_limits import RateLimits
from cloud.api.repeated_requests import RepeatedRequests
from cloud.api.request_times import RequestTimes
from cloud.api.routes import (
    campaigns,
    classes,
    configuration,
    dead_letters,
    events,
    failure_modes,
    fleet,
    gallery,
    hazards,
    health,
    histories,
    integrations,
    misdetections,
    models,
    provenance,
    samples,
    site_pages,
    users,
    verdict_requests,
)
from cloud.api.services import Services
from messaging.resources import API_PREFIX
from messaging.runtime.program import package_version
from messaging.trust.manifest import MAX_BUNDLE_BYTES

ROUTERS = (
    fleet.router,
    site_pages.router,
    hazards.router,
    verdict_requests.router,
    dead_letters.router,
    integrations.router,
    failure_modes.router,
    histories.router,
    misdetections.router,
    classes.router,
    campaigns.router,
    gallery.router,
    samples.router,
    models.router,
    provenance.router,
    users.router,
    configuration.router,
    events.router,
)
"""The routes below `/api/v1`, in the order of the OpenAPI document."""


def build_api(services: Services) -> FastAPI:
    """The application. Raises `ValueError` for a route that changes something without a permission."""
    app = FastAPI(title="Blindspot cloud", version=package_version(), docs_url=None, redoc_url=None)
    app.state.services = services
    app.include_router(health.router)
    for router in ROUTERS:
        app.include_router(router, prefix=API_PREFIX)
    document_errors_and_examples(app)
    if wrong := differences(routes_of(app)):
        raise ValueError(f"cloud.api.access.permissions and the routes differ in {', '.join(wrong)}")
    app.add_middleware(RepeatedRequests, answers=services.campaign_rows.answers)
    app.add_middleware(DryRuns)
    app.add_middleware(
        AccessGuard,
        routes=routes_of(app),
        accounts=services.accounts,
        sites=services.reports,
        trail=AuditTrail(services),
        on_refusal=services.refusals.note,
    )
    app.add_middleware(RequestGuard, body_limits={API_PREFIX + models.TEACHERS: MAX_BUNDLE_BYTES})
    api = services.settings.api
    app.add_middleware(
        RateLimits, per_s=api.requests_per_s, burst=api.requests_at_once, monotonic=time.monotonic
    )
    app.add_middleware(RequestTimes, metrics=services.metrics, spans=services.spans)
    add_problems(app)
    add_dry_run_answer(app)
    return app
