"""The small HTTP page of a node (loopback or LAN, never the gate).

`/healthz`: the process lives. `/readyz`: frames are being looked at, or why not; an unreachable cloud does
not make a node unready. `/version` and `/metrics` as everywhere. Pixels are not served here.
"""

import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from edge.health import Readiness
from edge.metrics import NodeMetrics


def health_app(readiness: Callable[[], Readiness], metrics: NodeMetrics) -> FastAPI:
    """The page: four addresses, no state of its own."""
    app = FastAPI(title="blindspot edge node", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        state = readiness()
        content: dict[str, Any] = {"ready": state.ready, "reasons": state.reasons}
        return JSONResponse(content, status_code=200 if state.ready else 503)

    @app.get("/version")
    def program_version() -> dict[str, str]:
        return {"version": version("blindspot")}

    @app.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    return app


class HealthServer:
    """Serves the page from a thread; `stop` returns once the port is free again."""

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        config = uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="health", daemon=True)

    def start(self) -> None:
        """Start serving in the background."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(timeout_s)
