"""Deletes from the database what is older than the configured days, a little at a time."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cloud.metrics import CloudMetrics
from cloud.settings import RetentionSettings
from cloud.store.retention.retention_store import BATCH, RetentionStore

PAUSE_S = 0.05
_DAY_S = 86_400
_EVIDENCE = ("misdetection", "prototype", "recall", "verdict", "answer")
_OF_MODELS = ("shadow", "guard")


@dataclass
class DatabaseRetention:
    """One pass is one `step`; between its transactions others write. For a thread of its own."""

    store: RetentionStore
    settings: RetentionSettings
    metrics: CloudMetrics
    stopping: Callable[[], bool] = lambda: False

    def step(self) -> None:
        """Delete everything that is old enough now. Evidence waits while a campaign is under way."""
        now, days = self.store.now(), self.settings
        kinds = {"hazard": days.hazards_days}
        if not self.store.campaign_under_way():
            kinds |= dict.fromkeys(_EVIDENCE, days.evidence_days)
            kinds |= dict.fromkeys(_OF_MODELS, days.shadow_days)
        self._delete_reports({kind: now - int(kept * _DAY_S) for kind, kept in kinds.items()})
        for table, delete, kept in (
            ("hazards", self.store.delete_hazards, days.hazards_days),
            ("dead_letters", self.store.delete_dead_letters, days.dead_letters_days),
            ("requests", self.store.delete_requests, days.requests_days),
            ("verdict_requests", self.store.delete_verdict_requests, days.evidence_days),
            ("audit", self.store.delete_audit, days.audit_days),
        ):
            count = BATCH
            while count >= BATCH and not self.stopping():
                count = delete(now - int(kept * _DAY_S))
                self.metrics.rows_deleted.labels(table=table).inc(count)
                time.sleep(PAUSE_S)

    def _delete_reports(self, older_than: dict[str, int]) -> None:
        after: int | None = 0
        while after is not None and not self.stopping():
            batch = self.store.delete_reports(older_than, after=after)
            for kind, count in batch.deleted.items():
                self.metrics.rows_deleted.labels(table=kind).inc(count)
            after = batch.after
            time.sleep(PAUSE_S)
