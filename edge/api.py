"""The HTTP API of a node, on loopback or the local network, never through the gate.

`/healthz`: the process runs. `/readyz`: frames are processed and reports reach the site's broker, or why not,
and for each thread the seconds since its last success; an unreachable cloud does not make a node unready.
`/version` and `/metrics`. It gives no image data.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from edge.health import Readiness
from edge.metrics import NodeMetrics
from messaging.runtime.addresses import masked_text
from messaging.runtime.supervisor import ThreadState


def build_api(
    readiness: Callable[[], Readiness],
    metrics: NodeMetrics,
    threads: Callable[[], Sequence[ThreadState]] = tuple,
) -> FastAPI:
    """The application: four routes, no state of its own. Addresses in sentences are masked."""
    app = FastAPI(title="blindspot edge node", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        state = readiness()
        content: dict[str, Any] = {
            "ready": state.ready,
            "reasons": [masked_text(reason) for reason in state.reasons],
            "threads": {
                thread.name: {
                    "success_age_s": round(thread.success_age_s, 1),
                    "failures": thread.failures,
                    "finished": thread.finished,
                }
                for thread in threads()
            },
        }
        return JSONResponse(content, status_code=200 if state.ready else 503)

    @app.get("/version")
    def program_version() -> dict[str, str]:
        return {"version": version("blindspot")}

    @app.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    return app
