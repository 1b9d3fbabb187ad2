"""The stores of the past and of what changes it, together, as requests use them."""

from dataclasses import dataclass

from cloud.store.database import Database
from cloud.store.history.evaluation_store import EvaluationStore
from cloud.store.history.evidence_store import EvidenceStore
from cloud.store.history.ledger_days import LedgerDays
from cloud.store.history.request_store import RequestStore
from cloud.store.history.review_store import ReviewStore
from cloud.store.history.trend_store import TrendStore
from cloud.store.retention.site_removal import SiteRemoval
from cloud.store.site_groups import SiteGroups


@dataclass(frozen=True)
class HistoryStores:
    """What is asked about the past."""

    trends: TrendStore
    evidence: EvidenceStore
    reviews: ReviewStore
    requests: RequestStore
    evaluations: EvaluationStore
    ledger_days: LedgerDays
    removal: SiteRemoval
    groups: SiteGroups

    @classmethod
    def of(cls, database: Database) -> "HistoryStores":
        """The stores on an open database."""
        return cls(
            trends=TrendStore(database),
            evidence=EvidenceStore(database),
            reviews=ReviewStore(database),
            requests=RequestStore(database),
            evaluations=EvaluationStore(database),
            ledger_days=LedgerDays(database),
            removal=SiteRemoval(database),
            groups=SiteGroups(database),
        )
