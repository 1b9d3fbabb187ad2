"""Evidence and recall tallies of one failure mode, day by day, summed by the database.

Quarantined sites are left out, as in the failure modes; `sites` limits to some of the others, None does not.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, func, select

from cloud.store.database import Database
from cloud.store.history.trend_store import Sites, Span
from cloud.store.report_records import MisdetectionRow, RecallCount, RecallRow, Site
from cloud.store.report_rows import recall_count
from messaging.reports import ErrorKind, EvidenceSource
from messaging.taxonomy import Condition


class EvidenceStore:
    """Sums of the evidence of one class and condition."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def misdetections(
        self, span: Span, class_name: str, condition: Condition, kind: ErrorKind, sites: Sites
    ) -> dict[int, dict[str, int]]:
        """Numbers of misdetections by source in each bucket with any."""
        row = MisdetectionRow
        bucket = span.bucket(row.minute_utc)
        query = select(bucket, row.evidence, func.count()).where(
            span.covers(row.minute_utc),
            row.class_name == class_name,
            row.condition == condition,
            row.kind == kind,
            *_counted(row, sites),
        )
        found: dict[int, dict[str, int]] = {}
        with self._db.reading() as session:
            for at, source, number in session.execute(query.group_by(bucket, row.evidence).order_by(bucket)):
                found.setdefault(int(at), {})[str(source)] = number
        return found

    def recall(
        self, span: Span, class_name: str, condition: Condition, sites: Sites
    ) -> Mapping[int, list[RecallCount]]:
        """Tallies of the models in service in each bucket with any, summed by site, source and model."""
        row = RecallRow
        bucket = span.bucket(row.minute_utc)
        keys = (row.site, row.class_name, row.condition, row.source, row.model_digest)
        sums = (
            func.sum(row.supported),
            func.sum(row.detected),
            func.sum(func.coalesce(row.supported_weight, row.supported)),
            func.sum(func.coalesce(row.detected_weight, row.detected)),
            func.sum(func.coalesce(row.squared_weight, row.supported)),
        )
        query = select(bucket, *keys, *sums).where(
            span.covers(row.minute_utc),
            row.class_name == class_name,
            row.condition == condition,
            row.source != EvidenceSource.SHADOW,
            *_counted(row, sites),
        )
        found: dict[int, list[RecallCount]] = {}
        with self._db.reading() as session:
            for at, *values in session.execute(query.group_by(bucket, *keys).order_by(bucket)):
                found.setdefault(int(at), []).append(recall_count(*values))
        return found


def _counted(row: Any, sites: Sites) -> list[ColumnElement[bool]]:
    known = row.site.not_in(select(Site.site).where(Site.quarantined))
    return [known] if sites is None else [known, row.site.in_(sites)]
