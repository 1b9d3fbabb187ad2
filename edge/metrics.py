"""The node's metrics, for a Prometheus on this machine or its network; nothing here crosses the gate."""

from edge.camera.health import CameraMetrics
from edge.camera.sources import FrameSource
from edge.vision.providers import GrantedProvider
from messaging.monitoring.metric_set import MetricSet
from messaging.releases import ExecutionProvider, Role

PREFIX = "blindspot_edge"
UPDATE_S = (1, 5, 15, 60, 300, 900, 3600, 14400, 86400)


class NodeMetrics(MetricSet):
    """All metrics of a node's `/metrics`.

    Those from `outbox` on are set before a scrape (`Node.read_metrics`), the others where things happen.
    """

    def __init__(self) -> None:
        super().__init__(PREFIX)
        self.frames = self.counter("frames", "Frames by result", "camera", "result")
        self.frame_s = self.histogram(
            "frame_seconds", "Processing of one frame by its camera's thread, inference included", "camera"
        )
        self.inference_s = self.histogram("inference_seconds", "One call of the detector in service")
        self.detections = self.counter("detections", "Boxes above the threshold", "camera", "class")
        self.misdetections = self.counter(
            "misdetections", "Evidence of errors of the detector", "camera", "class", "evidence"
        )
        self.reports = self.counter("reports", "Reports handed to the outbox", "kind")
        self.withheld = self.counter(
            "withheld_prototypes", "Prototypes that were not released", "camera", "reason"
        )
        self.swaps = self.counter("swaps", "Rollout orders by outcome", "role", "outcome", "reason")
        self.update_s = self.histogram(
            "update_seconds",
            "From an order's issue, by the cloud's clock, to its outcome, by the site's",
            *("role", "outcome"),
            buckets=UPDATE_S,
        )
        self.failures = self.counter("thread_failures", "Failures of the node's threads", "thread")
        self.answers = self.counter("verdict_answers", "Verdict requests that were answered", "outcome")
        self.first_frame_s = self.gauge(
            "first_frame_seconds", "From the start of the process to the first processed frame", "camera"
        )
        self.outbox = self.gauge("outbox_messages", "Messages that the site's broker does not have yet")
        self.shed = self.mirrored_counter(
            "outbox_shed_reports", "Reports given up because the outbox was full", "kind"
        )
        self.outbox_refused = self.mirrored_counter(
            "outbox_refused_reports", "Reports that the site's broker refused", "kind"
        )
        self.disk_free_bytes = self.gauge("disk_free_bytes", "Free bytes on the disk of the data folder")
        self.ready = self.gauge("ready", "1 while frames are processed and reports leave, as in /readyz")
        self.success_age_s = self.gauge(
            "thread_success_age_seconds", "Since the last success of a thread that still runs", "thread"
        )
        self.model = self.gauge("model_info", "1 for the model in service", "role", "digest")
        self.provider = self.gauge(
            "execution_provider", "1 for the provider that the model in service runs on", "provider"
        )
        self.provider_fallback = self.gauge(
            "execution_provider_fallback",
            "1 while the model in service runs on another provider than the preferred one",
        )
        self.epsilon_spent = self.gauge(
            "privacy_epsilon_spent", "Privacy budget (epsilon) spent within the present window", "camera"
        )
        self.epsilon_limit = self.gauge(
            "privacy_epsilon_limit", "Privacy budget (epsilon) of a window", "camera"
        )
        self._declare_cameras()

    def _declare_cameras(self) -> None:
        self.connected = self.gauge("camera_connected", "1 while a camera gives frames", "camera")
        self.frozen = self.gauge("camera_frozen", "1 while a camera sends the same image", "camera")
        self.frame_age_s = self.gauge(
            "frame_age_seconds", "Age of the newest frame; absent before the first", "camera"
        )
        self.kept_bytes = self.gauge(
            "kept_frames_bytes", "Memory of the frames that verdict requests are answered from", "camera"
        )
        self.dropped = self.mirrored_counter(
            "dropped_frames", "Frames that a newer one replaced before they were processed", "camera"
        )
        self.reconnects = self.mirrored_counter(
            "camera_reconnects", "Times a camera was opened again", "camera"
        )
        self.camera_failures = self.mirrored_counter(
            "camera_failures", "Connections to a camera that failed or ended", "camera"
        )
        self.live_images = self.counter(
            "live_images", "Images of a camera that the live view has given", "camera"
        )
        self.decode_errors = self.mirrored_counter(
            "decode_errors", "Images of a camera that could not be decoded", "camera"
        )
        self.lights = self.mirrored_counter(
            "frames_by_light", "Frames by the light that they were tagged with", "camera", "light"
        )

    def note_health(self, camera: str, health: CameraMetrics) -> None:
        """Set what is counted of a camera's frames."""
        self.connected.labels(camera).set(health.connected)
        for light, frames in health.by_light.items():
            self.lights.set(frames, camera, light)
        if health.frames:
            self.frame_age_s.labels(camera).set(health.frame_age_s)

    def note_source(self, camera: str, source: FrameSource) -> None:
        """Set what a camera's source counts."""
        self.frozen.labels(camera).set(source.frozen)
        self.dropped.set(source.dropped, camera)
        self.reconnects.set(source.reconnects, camera)
        self.camera_failures.set(source.failures, camera)
        self.decode_errors.set(source.decode_errors, camera)

    def note_provider(self, granted: GrantedProvider) -> None:
        """Set the gauges of the execution provider."""
        for provider in ExecutionProvider:
            self.provider.labels(provider).set(provider == granted.provider)
        self.provider_fallback.set(granted.fallback)

    def note_models(self, digests: dict[Role, str]) -> None:
        """Set the models in service, in place of those before."""
        self.model.clear()
        for role, digest in digests.items():
            self.model.labels(role, digest).set(1)
