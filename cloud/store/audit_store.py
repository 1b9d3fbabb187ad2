"""The stored audit log: entries are added and read, never changed."""

from sqlalchemy import select

from cloud.store.access_records import AuditEntry
from cloud.store.database import Database


class AuditStore:
    """The audit log in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, entry: AuditEntry) -> None:
        """Store an entry."""
        with self._db.writing() as session:
            self._db.add(session, entry)

    def entries(
        self, *, user: str | None = None, object_: str | None = None, before: int | None = None, limit: int
    ) -> list[AuditEntry]:
        """Entries, latest first; `before` is the id of the last one seen."""
        query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
        if user is not None:
            query = query.where(AuditEntry.user == user)
        if object_ is not None:
            query = query.where(AuditEntry.object == object_)
        if before is not None:
            query = query.where(AuditEntry.id < before)
        with self._db.reading() as session:
            return list(session.scalars(query))
