"""The HTTP API of a node, on loopback or the local network, never through the gate.

`/healthz`: the process runs. `/readyz`: frames are processed and reports reach the site's broker, or why not,
and for each thread the seconds since its last success; an unreachable cloud does not make a node unready.
`/version` and `/metrics`. With a live view also images, to whoever has its token (`edge.live.page`).
"""

from collections.abc import Callable, Sequence

from starlette.applications import Starlette

from edge.health import Readiness
from edge.live.page import LivePage
from edge.metrics import NodeMetrics
from messaging.monitoring.health_api import ReadinessReport, health_api
from messaging.runtime.supervisor import ThreadState


def build_api(
    readiness: Callable[[], Readiness],
    metrics: NodeMetrics,
    threads: Callable[[], Sequence[ThreadState]] = tuple,
    read_metrics: Callable[[], None] = lambda: None,
    live: LivePage | None = None,
) -> Starlette:
    """The application; `read_metrics` sets what is counted elsewhere, before each scrape."""

    def report() -> ReadinessReport:
        states = {
            thread.name: {
                "success_age_s": round(thread.success_age_s, 1),
                "failures": thread.failures,
                "finished": thread.finished,
            }
            for thread in threads()
        }
        return ReadinessReport(readiness().reasons, {"threads": states})

    def exposition() -> bytes:
        read_metrics()
        return metrics.exposition()

    api = health_api(report, exposition)
    if live is not None:
        api.routes.extend(live.routes())
    return api
