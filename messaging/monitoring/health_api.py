"""The HTTP API of a program at a site: `/healthz`, `/readyz`, `/version`, `/metrics`.

It is for loopback or the local network. It has no state of its own, takes no input and gives no image data.
Addresses in sentences are masked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from messaging.monitoring.metric_set import CONTENT_TYPE
from messaging.runtime.addresses import masked_text
from messaging.runtime.program import package_version


@dataclass(frozen=True)
class ReadinessReport:
    """Why a program cannot do its work, one sentence each, and other JSON values to show."""

    reasons: Sequence[str]
    details: Mapping[str, Any] = field(default_factory=dict)


def health_api(readiness: Callable[[], ReadinessReport], exposition: Callable[[], bytes]) -> Starlette:
    """The application: four routes.

    `/healthz` answers 200 as long as the process does; `/readyz` 200 or 503 with the reasons; `exposition`
    renders the metrics.
    """

    def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    def readyz(_request: Request) -> Response:
        report = readiness()
        reasons = [masked_text(reason) for reason in report.reasons]
        content = {"ready": not reasons, "reasons": reasons, **report.details}
        return JSONResponse(content, status_code=503 if reasons else 200)

    def version(_request: Request) -> Response:
        return JSONResponse({"version": package_version()})

    def metrics(_request: Request) -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE)

    handlers = {"/healthz": healthz, "/readyz": readyz, "/version": version, "/metrics": metrics}
    return Starlette(routes=[Route(path, handler) for path, handler in handlers.items()])
