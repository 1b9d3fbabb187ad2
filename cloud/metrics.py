"""The cloud's Prometheus metrics: counters incremented by the code, gauges set from the store on a scrape.

`/metrics` needs no token, so that no label names a site or a place: a fleet is shown by its numbers.
"""

import threading

from messaging.monitoring.metric_set import MetricSet

PREFIX = "blindspot_cloud"
REQUEST_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
DELIVERY_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0)
STAGE_S = (1, 10, 60, 300, 900, 3600, 14400, 86400)


class CloudMetrics(MetricSet):
    """All metrics of the cloud's `/metrics`; `cloud.api.gauges` sets those of `_declare_gauges`."""

    def __init__(self) -> None:
        super().__init__(PREFIX)
        self.reports = self.counter("reports", "Reports accepted, duplicates included", "kind")
        self.received_bytes = self.counter(
            "received_bytes", "Bytes of messages from sites, without refused ones", "kind"
        )
        self.report_duplicates = self.counter("report_duplicates", "Reports that were stored already")
        self.reports_refused = self.counter(
            "reports_refused", "Messages refused and stored as dead letters", "kind", "reason"
        )
        self.checkpoints_refused = self.counter(
            "checkpoints_refused", "Ledger checkpoints refused: a ledger was rewritten, or a key changed"
        )
        self.credentials_refused = self.counter(
            "credentials_refused",
            "Credentials refused by the hub, the API and the login",
            "interface",
            "reason",
        )
        self.intake_s = self.histogram(
            "intake_seconds", "One batch of reports, from its arrival to its receipts", buckets=REQUEST_S
        )
        self.request_s = self.histogram(
            "api_request_seconds",
            "Until the answer of the API begins, by the template of the route",
            *("method", "route"),
            buckets=REQUEST_S,
        )
        self.requests = self.counter("api_requests", "Requests by status code", "method", "route", "status")
        self.task_failures = self.counter("task_failures", "Failures of background tasks", "task")
        self.trigger_starts = self.counter("trigger_starts", "Campaigns that a rule started", "rule")
        self.stage_seconds = self.histogram(
            "campaign_stage_seconds", "A stage of a campaign that ended well", "stage", buckets=STAGE_S
        )
        self.rows_deleted = self.counter(
            "rows_deleted", "Rows older than `retention` keeps them, deleted from the database", "table"
        )
        self.stage_failures = self.counter("campaign_stage_failures", "Stages that failed", "stage")
        self.deliveries = self.counter(
            "deliveries", "Attempts to send a change of a hazard, by what came of it", "integration", "result"
        )
        self.delivery_s = self.histogram(
            "delivery_seconds", "An attempt to send a change", "integration", buckets=DELIVERY_S
        )
        self.scraping = threading.Lock()
        self._declare_gauges()

    def _declare_gauges(self) -> None:
        self.ready = self.gauge("ready", "1 while the cloud can do its work, as in /readyz")
        self.sites = self.gauge("sites", "Enrolled sites by state", "state")
        self.disk_free_bytes = self.gauge("disk_free_bytes", "Free bytes on the disk of the data folder")
        self.quarantined = self.gauge("quarantined_sites", "Sites whose evidence is not learned from")
        self.sites_on_current_model = self.gauge(
            "sites_on_current_model", "Sites whose heartbeat names the fleet's model"
        )
        self.unsent = self.gauge("site_unsent_messages", "Messages that wait at all sites to be sent")
        self.shed = self.gauge("site_shed_reports", "Reports given up at all sites since their nodes started")
        self.epsilon_max = self.gauge(
            "site_epsilon_spent_max", "Privacy budget that the site with the most has spent, over its cameras"
        )
        self.model = self.gauge("model_info", "1 for the release in service", "role", "digest")
        self.failure_modes = self.gauge("failure_modes", "Failure modes by status", "status")
        self.deliveries_waiting = self.gauge(
            "deliveries_waiting", "Changes of hazards that wait to be sent", "integration"
        )
        self.campaigns = self.gauge("campaigns", "Campaigns by state", "state")
        self.rollout_sites = self.gauge("rollout_sites", "Sites of the newest rollout by state", "state")
        self.rollout_phase = self.gauge("rollout_phase", "1 for the phase of the newest rollout", "phase")
        self.eval_recall = self.gauge(
            "eval_recall",
            "Recall of the release in service, in its campaign: on the holdout or in shadow runs",
            *("class", "condition", "set"),
        )
        self.synthetic_images = self.mirrored_counter(
            "synthetic_images", "Generated images of all campaigns", "result", "reason"
        )

    def note_task_failure(self, task: str) -> None:
        """Count a failure of a background task."""
        self.task_failures.labels(task=task).inc()
