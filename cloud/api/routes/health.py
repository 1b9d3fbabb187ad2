"""Routes of health, which need no token: liveness, readiness, version, metrics."""

from typing import Any

from fastapi import APIRouter, Response

from cloud.api.gauges import scraped
from cloud.api.services import CloudServices
from messaging.monitoring.metric_set import CONTENT_TYPE
from messaging.resources import ReadinessResource, VersionResource
from messaging.runtime.program import package_version
from messaging.wire_format.asyncapi import asyncapi_document

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(services: CloudServices, response: Response) -> ReadinessResource:
    """Whether the cloud can work, and why not."""
    reasons = services.readiness()
    response.status_code = 503 if reasons else 200
    return ReadinessResource(ready=not reasons, reasons=reasons)


@router.get("/version")
def version() -> VersionResource:
    """What is running."""
    return VersionResource(version=package_version())


@router.get("/asyncapi.json")
def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document of what sites send."""
    return asyncapi_document()


@router.get("/metrics")
def metrics(services: CloudServices) -> Response:
    """Prometheus metrics."""
    return Response(scraped(services), media_type=CONTENT_TYPE)
