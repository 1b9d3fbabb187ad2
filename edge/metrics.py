"""The node's counters, for Prometheus on loopback or the LAN; nothing here crosses the gate.

One class owns a registry of its own, so that two nodes in one test have separate counters. No label
carries a track or a place.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from edge.vision.providers import GrantedProvider
from messaging.reports import ExecutionProvider

PREFIX = "blindspot_edge"
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class NodeMetrics:
    """Counters and gauges of one edge node."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.frames = self._counter("frames", "Frames by result", "camera", "result")
        self.inference_s = Histogram(
            f"{PREFIX}_inference_seconds", "Time of one detection", buckets=SECONDS, registry=self._registry
        )
        self.detections = self._counter("detections", "Boxes above threshold", "camera", "class")
        self.misdetections = self._counter(
            "misdetections", "Evidence of errors", "camera", "class", "evidence"
        )
        self.reports = self._counter("reports", "Reports handed to the outbox", "kind")
        self.withheld = self._counter("withheld", "Prototypes withheld", "camera", "reason")
        self.swaps = self._counter("swaps", "Orders by outcome", "outcome", "reason")
        self.failures = self._counter("thread_failures", "Threads that failed", "thread")
        self.outbox = self._gauge("outbox_messages", "Reports not yet with the broker")
        self.disk_free_bytes = self._gauge("disk_free_bytes", "Free bytes on the disk of the data folder")
        self.model = self._gauge("model_info", "The model in service", "digest")
        self.provider = self._gauge(
            "execution_provider", "1 for the provider that the model in service runs on", "provider"
        )
        self.provider_fallback = self._gauge(
            "execution_provider_fallback",
            "1 while the model in service runs on another provider than the preferred one",
        )
        self.first_frame_s = self._gauge(
            "first_frame_seconds", "From the start of the process to the first processed frame", "camera"
        )
        self.frame_age_s = self._gauge("frame_age_seconds", "Age of the newest frame", "camera")
        self.reconnects = self._gauge("camera_reconnects", "Camera reopened", "camera")
        self.camera_failures = self._gauge(
            "camera_failures", "Connections to a camera that failed or ended", "camera"
        )
        self.frozen = self._gauge("camera_frozen", "1 while a camera sends the same image", "camera")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self._registry)

    def note_provider(self, granted: GrantedProvider) -> None:
        """Set the gauges of the execution provider."""
        for provider in ExecutionProvider:
            self.provider.labels(provider).set(provider == granted.provider)
        self.provider_fallback.set(granted.fallback)

    def exposition(self) -> bytes:
        """Text for a scrape."""
        return generate_latest(self._registry)
