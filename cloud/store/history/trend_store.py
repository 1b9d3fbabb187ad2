"""Numbers of hazards, misdetections and reporting sites in each hour or day, summed by the database.

Every query takes the sites that count, None for all. A bucket is named by its first second, a multiple of
its length since 1970. Hazards count when they began, misdetections in their minute, reports when they were
received.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute

from cloud.store.database import Database
from cloud.store.records import Release
from cloud.store.report_records import HazardRow, MisdetectionRow, Site, StoredReport, SwapRow
from messaging.releases import Role
from messaging.reports import SwapOutcome

Sites = Collection[str] | None


@dataclass(frozen=True)
class Span:
    """From `since` until before `until` (seconds since 1970) in buckets of `bucket_s` seconds."""

    since: int
    until: int
    bucket_s: int

    @property
    def starts(self) -> range:
        """The first seconds of its buckets."""
        first = self.since - self.since % self.bucket_s
        return range(first, self.until, self.bucket_s)

    def bucket(self, column: InstrumentedAttribute[int]) -> ColumnElement[int]:
        """The bucket of a time."""
        return column - column % literal_column(str(int(self.bucket_s)))

    def covers(self, column: InstrumentedAttribute[int]) -> ColumnElement[bool]:
        """Whether a time is in one of the buckets."""
        return (column >= self.starts.start) & (column < self.until)


@dataclass(frozen=True)
class ModelChange:
    """From a time on, a site ran a detector; None where it went back to none."""

    site: str
    at: int
    digest: str | None


class TrendStore:
    """Sums over time."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def hazards(self, span: Span, sites: Sites) -> dict[int, int]:
        """Number of hazards that began in each bucket with any."""
        return self._counts(span, HazardRow.started_at_utc, HazardRow.site, sites)

    def misdetections(self, span: Span, sites: Sites) -> dict[int, int]:
        """Number of misdetections in each bucket with any, without those of quarantined sites."""
        quarantined = select(Site.site).where(Site.quarantined)
        counts = MisdetectionRow.site.not_in(quarantined)
        return self._counts(span, MisdetectionRow.minute_utc, MisdetectionRow.site, sites, counts)

    def reporting_sites(self, span: Span, sites: Sites) -> dict[int, int]:
        """Number of sites of which a report was received in each bucket with any."""
        bucket = span.bucket(StoredReport.received_at).label("bucket")
        pairs = select(bucket, StoredReport.site).where(span.covers(StoredReport.received_at)).distinct()
        if sites is not None:
            pairs = pairs.where(StoredReport.site.in_(sites))
        each = pairs.subquery()  # PostgreSQL would sort all reports for `count(distinct)`
        query = select(each.c.bucket, func.count()).group_by(each.c.bucket)
        with self._db.reading() as session:
            return {int(at): count for at, count in session.execute(query)}

    def model_changes(self, sites: Sites) -> list[ModelChange]:
        """What sites did with their detector, oldest first, by their receipts."""
        row, teachers = SwapRow, select(Release.digest).where(Release.role == Role.TEACHER)
        query = select(row.site, row.at_utc, row.outcome, row.digest, row.previous_digest)
        query = query.where(
            row.outcome.in_((SwapOutcome.INSTALLED, SwapOutcome.ROLLED_BACK)), row.digest.not_in(teachers)
        )
        if sites is not None:
            query = query.where(row.site.in_(sites))
        with self._db.reading() as session:
            return [
                ModelChange(site, at, digest if outcome is SwapOutcome.INSTALLED else previous)
                for site, at, outcome, digest, previous in session.execute(
                    query.order_by(row.at_utc, row.report_id)
                )
            ]

    def _counts(
        self,
        span: Span,
        time: InstrumentedAttribute[int],
        site: InstrumentedAttribute[str],
        sites: Sites,
        *where: ColumnElement[bool],
    ) -> dict[int, int]:
        bucket = span.bucket(time)
        query = select(bucket, func.count()).where(span.covers(time), *where).group_by(bucket)
        if sites is not None:
            query = query.where(site.in_(sites))
        with self._db.reading() as session:
            return {int(at): count for at, count in session.execute(query)}
