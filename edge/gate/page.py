"""The gate's HTTP page on loopback or the local network: health, readiness with reasons, version, metrics."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge.gate.metrics import GateMetrics
from edge.gate.settings import GateSettings
from messaging.monitoring.health_api import ReadinessReport, health_api
from messaging.runtime.http_server import BackgroundServer
from messaging.runtime.start_checks import listen_on

NOT_CONNECTED = "the gate is not connected to the site's broker yet"


class GatePage:
    """What the page shows: the metrics, and the present reasons why the gate is not ready."""

    def __init__(self) -> None:
        self.metrics = GateMetrics()
        self.readiness: Callable[[], ReadinessReport] = lambda: ReadinessReport((NOT_CONNECTED,))

    def _report(self) -> ReadinessReport:
        return self.readiness()

    @contextmanager
    def served(self, settings: GateSettings) -> Iterator[None]:
        """Serve it while the context lasts, if the settings have a port for it. Raises `StartRefused`."""
        if settings.page_port is None:
            yield
            return
        listener = listen_on("page_port", settings.page_host, settings.page_port)
        api = health_api(self._report, self.metrics.exposition)
        server = BackgroundServer(api, listener)
        server.start()
        try:
            yield
        finally:
            server.stop()
