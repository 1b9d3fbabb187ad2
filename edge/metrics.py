"""The node's counters, for Prometheus on loopback or the LAN; nothing here crosses the gate.

One class owns a registry of its own, so that two nodes in one test have separate counters. No label
carries a track or a place.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from edge.vision.providers import GrantedProvider
from messaging.reports import ExecutionProvider

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class NodeMetrics:
    """Counters and gauges of one edge node."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        prefix = "blindspot_edge"
        self.frames = Counter(
            f"{prefix}_frames", "Frames by result", ["camera", "result"], registry=self._registry
        )
        self.inference_s = Histogram(
            f"{prefix}_inference_seconds", "Time of one detection", buckets=SECONDS, registry=self._registry
        )
        self.detections = Counter(
            f"{prefix}_detections", "Boxes above threshold", ["camera", "class"], registry=self._registry
        )
        self.misdetections = Counter(
            f"{prefix}_misdetections",
            "Evidence of errors",
            ["camera", "class", "evidence"],
            registry=self._registry,
        )
        self.reports = Counter(
            f"{prefix}_reports", "Reports handed to the outbox", ["kind"], registry=self._registry
        )
        self.withheld = Counter(
            f"{prefix}_withheld", "Prototypes withheld", ["camera", "reason"], registry=self._registry
        )
        self.swaps = Counter(
            f"{prefix}_swaps", "Orders by outcome", ["outcome", "reason"], registry=self._registry
        )
        self.failures = Counter(
            f"{prefix}_thread_failures", "Threads that failed", ["thread"], registry=self._registry
        )
        self.outbox = Gauge(
            f"{prefix}_outbox_messages", "Reports not yet with the broker", registry=self._registry
        )
        self.model = Gauge(
            f"{prefix}_model_info", "The model in service", ["digest"], registry=self._registry
        )
        self.provider = Gauge(
            f"{prefix}_execution_provider",
            "1 for the provider that the model in service runs on",
            ["provider"],
            registry=self._registry,
        )
        self.provider_fallback = Gauge(
            f"{prefix}_execution_provider_fallback",
            "1 while the model in service runs on another provider than the preferred one",
            registry=self._registry,
        )
        self.first_frame_s = Gauge(
            f"{prefix}_first_frame_seconds",
            "From the start of the process to the first processed frame",
            ["camera"],
            registry=self._registry,
        )
        self.frame_age_s = Gauge(
            f"{prefix}_frame_age_seconds", "Age of the newest frame", ["camera"], registry=self._registry
        )
        self.reconnects = Gauge(
            f"{prefix}_camera_reconnects", "Camera reopened", ["camera"], registry=self._registry
        )
        self.camera_failures = Gauge(
            f"{prefix}_camera_failures",
            "Connections to a camera that failed or ended",
            ["camera"],
            registry=self._registry,
        )
        self.frozen = Gauge(
            f"{prefix}_camera_frozen",
            "1 while a camera sends the same image",
            ["camera"],
            registry=self._registry,
        )

    def note_provider(self, granted: GrantedProvider) -> None:
        """Set the gauges of the execution provider."""
        for provider in ExecutionProvider:
            self.provider.labels(provider).set(provider == granted.provider)
        self.provider_fallback.set(granted.fallback)

    def exposition(self) -> bytes:
        """Text for a scrape."""
        return generate_latest(self._registry)
