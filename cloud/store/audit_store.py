"""The stored audit log: entries are added and read, never changed."""

from sqlalchemy import select

from cloud.store.access_records import AuditEntry
from cloud.store.database import Database
from cloud.store.lists.filters import AuditFilter


class AuditStore:
    """The audit log in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, entry: AuditEntry) -> None:
        """Store an entry."""
        with self._db.writing() as session:
            self._db.add(session, entry)

    def entries(self, wanted: AuditFilter, *, before: int | None = None, limit: int) -> list[AuditEntry]:
        """Entries, latest first; `before` is the id of the last one seen."""
        query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
        if wanted.user is not None:
            query = query.where(AuditEntry.user == wanted.user)
        if wanted.object is not None:
            query = query.where(AuditEntry.object == wanted.object)
        if wanted.since is not None:
            query = query.where(AuditEntry.at_utc >= wanted.since)
        if wanted.until is not None:
            query = query.where(AuditEntry.at_utc < wanted.until)
        if before is not None:
            query = query.where(AuditEntry.id < before)
        with self._db.reading() as session:
            return list(session.scalars(query))
