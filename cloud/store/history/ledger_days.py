"""What left the sites, day by day: numbers and bytes of the messages received, by site and kind."""

from dataclasses import dataclass

from sqlalchemy import func, select

from cloud.store.database import Database
from cloud.store.history.trend_store import Sites, Span
from cloud.store.report_records import DeadLetter, StoredReport


@dataclass(frozen=True)
class LedgerDay:
    """Messages of one kind that one site sent, received in the bucket from `at` on."""

    at: int
    site: str
    kind: str
    count: int
    length_bytes: int


class LedgerDays:
    """Sums over stored reports, and over dead letters."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def days(
        self, span: Span, sites: Sites, *, after: tuple[int, str, str] | None = None, limit: int
    ) -> list[LedgerDay]:
        """The latest day first, then by site and kind; `after` is the last one seen."""
        row = StoredReport
        bucket = span.bucket(row.received_at)
        query = select(bucket, row.site, row.kind, func.count(), func.sum(row.length_bytes))
        query = query.where(span.covers(row.received_at))
        if sites is not None:
            query = query.where(row.site.in_(sites))
        if after is not None:
            at, site, kind = after
            later = (row.site > site) | ((row.site == site) & (row.kind > kind))
            query = query.where((bucket < at) | ((bucket == at) & later))
        query = query.group_by(bucket, row.site, row.kind).order_by(bucket.desc(), row.site, row.kind)
        with self._db.reading() as session:
            return [
                LedgerDay(int(at), site, kind, count, int(length))
                for at, site, kind, count, length in session.execute(query.limit(limit))
            ]

    def dead_letters(self, site: str) -> int:
        """The number of refused messages of a site."""
        with self._db.reading() as session:
            query = select(func.count()).select_from(DeadLetter).where(DeadLetter.of_site(site))
            return session.scalar(query) or 0
