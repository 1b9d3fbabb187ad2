"""The cloud's Prometheus metrics: counters incremented by the code, gauges set from the store on a scrape.

Names have base units, labels few values. Each instance has its own registry, so that tests are independent.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class CloudMetrics:
    """All metrics of `/metrics`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reports = self._counter("reports", "Reports received from the hub", "kind")
        self.report_duplicates = self._counter("report_duplicates", "Reports that were stored already")
        self.reports_refused = self._counter(
            "reports_refused", "Messages refused and stored as dead letters", "kind", "reason"
        )
        self.task_failures = self._counter("task_failures", "Failures of background tasks", "task")
        self.synthetic_images = self._counter(
            "synthetic_images", "Synthetic images by result", "result", "reason"
        )
        self.trigger_starts = self._counter("trigger_starts", "Campaigns that a rule started", "rule")
        self.failure_modes = self._gauge("failure_modes", "Failure modes", "status")
        self.rollout_sites = self._gauge("rollout_sites", "Sites of the present rollout", "state")
        self.eval_recall = self._gauge("eval_recall", "Recall by evaluation", "class", "condition", "set")
        self.disk_free_bytes = self._gauge("disk_free_bytes", "Free bytes on the disk of the data folder")
        self.stage_seconds = Histogram(
            "blindspot_cloud_campaign_stage_seconds",
            "Time a campaign stage took",
            ["stage"],
            buckets=(1, 10, 60, 300, 900, 3600, 14400, 86400),
            registry=self.registry,
        )

    def note_task_failure(self, task: str) -> None:
        """Count a failure of a background task."""
        self.task_failures.labels(task=task).inc()

    def render(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"blindspot_cloud_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"blindspot_cloud_{name}", text, labels, registry=self.registry)
