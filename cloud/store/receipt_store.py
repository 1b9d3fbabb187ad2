"""What the database has of every site's lanes, for the receipts, and the database's own identity."""

import secrets
from collections.abc import Collection, Sequence
from itertools import groupby

from sqlalchemy import String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from cloud.store.database import Database
from cloud.store.lane_progress import Arrival, LaneProgress, advanced
from cloud.store.mapping import Record
from cloud.store.report_records import Site
from messaging.receipts import LaneReceipt


class StoreIdentity(Record):
    """Made once with the schema: a database that begins empty is another one, and so is a restored one.

    That of a restored one ends in `-` and how often it was restored.
    """

    __tablename__ = "store_identity"

    identity: Mapped[str] = mapped_column(String(40), primary_key=True)


def restores_of(identity: str) -> int:
    """How often the database with this identity was restored from a backup."""
    return int(identity.partition("-")[2] or 0)


class ReceiptStore:
    """Lanes of all sites in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def identity(self) -> str:
        """The database's identity."""
        with self._db.reading() as session:
            return session.scalars(select(StoreIdentity.identity)).one()

    def renew_identity(self) -> str:
        """Make this database another one, after its restore; the new identity.

        Intake then reads all that the hub still has, gates send what has no receipt again, and sequences of
        orders go on above those that may have been used since the backup.
        """
        with self._db.writing() as session:
            before = session.scalars(select(StoreIdentity.identity)).one()
            after = f"{secrets.token_hex(8)}-{restores_of(before) + 1}"
            session.execute(update(StoreIdentity).values(identity=after))
        return after

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        """Note messages whose reports or dead letters are committed."""

        def lane(arrival: Arrival) -> tuple[str, str]:
            return (arrival.site, arrival.lane)

        with self._db.writing() as session:
            for key, arrived in groupby(sorted(arrivals, key=lane), key=lane):
                now = list(arrived)
                before = session.get(LaneProgress, key) or LaneProgress(*key, now[0].place.stream)
                after = advanced(before, now)
                if after != before:
                    self._db.put(session, after, key=["site", "lane"])

    def receipts(self, sites: Collection[str]) -> dict[str, dict[str, LaneReceipt]]:
        """The receipts of these sites by lane; a site without a committed message has none."""
        found: dict[str, dict[str, LaneReceipt]] = {site: {} for site in sites}
        with self._db.reading() as session:
            for row in session.scalars(select(LaneProgress).where(LaneProgress.site.in_(sites))):
                found[row.site][row.lane] = row.receipt
        return found

    def sites(self) -> list[str]:
        """Names of all sites that are not revoked."""
        with self._db.reading() as session:
            return list(session.scalars(select(Site.site).where(~Site.revoked).order_by(Site.site)))
