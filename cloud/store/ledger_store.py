"""What sites have signed about their ledgers: keys, checkpoints, and the entries of stored reports.

A site's key is the first that it shows after its enrolment; another one is refused until the site is revoked
and enrolled again. Checkpoints only go on: one that goes back, or that has another hash for an entry than
what was signed before, is a ledger that was rewritten, and is kept as the site's fault.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, String, Subquery, delete, func, select, tuple_, union, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloud.errors import NotKnown
from cloud.store.database import Database
from cloud.store.mapping import Record
from cloud.store.report_records import Site, StoredReport
from messaging.errors import MessageRefused, TrustError
from messaging.receipts import LedgerPosition, LedgerReceipt
from messaging.trust.keys import PublicKey
from messaging.trust.site_signatures import LedgerCheckpoint

KEPT_CHECKPOINTS = 10_000
"""Of each site, the latest: about three months of a busy site."""


class CheckpointRow(Record):
    """A checkpoint that the cloud has verified, and when."""

    __tablename__ = "checkpoints"

    site: Mapped[str] = mapped_column(String(40), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(64))
    at_utc: Mapped[int]
    key: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(String(128))
    verified_at: Mapped[int]

    @property
    def receipt(self) -> LedgerReceipt:
        """What the cloud signs for it."""
        return LedgerReceipt(self.n, self.hash, self.key, self.verified_at)

    @property
    def checkpoint(self) -> LedgerCheckpoint:
        """As the site signed it."""
        return LedgerCheckpoint(self.site, self.n, self.hash, self.at_utc, self.key, self.signature)


@dataclass(frozen=True)
class Audit:
    """What verifying a site's ledger found: its key (hex), its last checkpoint, the first contradiction."""

    site: str
    key: str
    last: CheckpointRow | None
    fault: str


class LedgerStore:
    """Signed ledgers of all sites in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def keys(self, sites: Collection[str]) -> dict[str, PublicKey]:
        """The keys of those of these sites that have one."""
        query = select(Site.site, Site.key).where(Site.site.in_(sites), Site.key != "", ~Site.revoked)
        with self._db.reading() as session:
            return {site: PublicKey.from_hex(key) for site, key in session.execute(query)}

    def take(self, batch: Sequence[LedgerCheckpoint]) -> dict[str, str]:
        """Store checkpoints whose signatures hold, in one transaction.

        The first one of a site names its key. One that contradicts what the site has signed before is its
        fault. Returns by site, for the new ones, an empty text or why it is refused.
        """
        results: dict[str, str] = {}
        with self._db.writing() as session:
            for found in batch:
                try:
                    if self._take(session, found):
                        results[found.site] = ""
                except MessageRefused as error:
                    fault = {"ledger_fault": str(error)}
                    session.execute(update(Site).where(Site.site == found.site).values(fault))
                    results[found.site] = str(error)
        return results

    def _take(self, session: Session, found: LedgerCheckpoint) -> bool:
        """Whether it is new and stored. Raises `MessageRefused` before it writes anything but the site."""
        now = self._db.now()
        self._db.add(session, Site(found.site, now))
        site = session.get(Site, found.site)
        assert site is not None
        if site.revoked:
            return False
        if site.key:
            last = _last(session, found.site)
            if last is not None and (found.n, found.hash, found.key) == (last.n, last.hash, last.key):
                return False
            _refuse_contradiction(session, site, last, found)
        else:
            pinned = {"key": found.key, "key_since": now, "ledger_fault": ""}
            session.execute(update(Site).where(Site.site == found.site).values(pinned))
            session.execute(delete(CheckpointRow).where(CheckpointRow.site == found.site))
        row = (found.site, found.n, found.hash, found.at_utc, found.key, found.signature, now)
        self._db.add(session, CheckpointRow(*row))
        oldest = select(CheckpointRow.n).where(CheckpointRow.site == found.site)
        kept = session.scalar(oldest.order_by(CheckpointRow.n.desc()).offset(KEPT_CHECKPOINTS).limit(1))
        if kept is not None:
            too_old = (CheckpointRow.site == found.site) & (CheckpointRow.n <= kept)
            session.execute(delete(CheckpointRow).where(too_old))
        return True

    def receipts(self, sites: Collection[str]) -> dict[str, LedgerReceipt]:
        """The last verified checkpoint of each of these sites that has one."""
        row = CheckpointRow
        newest = select(row.site, func.max(row.n)).where(row.site.in_(sites)).group_by(row.site)
        with self._db.reading() as session:
            last = session.scalars(select(row).where(tuple_(row.site, row.n).in_(newest)))
            return {found.site: found.receipt for found in last}

    def audit(self, site: str) -> Audit:
        """Verify everything again that a site has signed about its ledger. Raises `NotKnown`."""
        with self._db.reading() as session:
            known = session.get(Site, site)
            if known is None:
                raise NotKnown(f"site {site[:80]!r} is not known; `blindspot sites list` shows all sites")
            rows = session.scalars(_checkpoints(site).order_by(CheckpointRow.n)).all()
            fault = known.ledger_fault
            try:
                for row in rows:
                    found, what = row.checkpoint, f"the checkpoint of entry {row.n} of site {site}"
                    PublicKey.from_hex(known.key).verify(found.signed_bytes(), found.signature, what)
                _refuse_fork(session, site, since=known.key_since)
            except (MessageRefused, TrustError, ValueError) as error:
                fault = fault or str(error)
            return Audit(site, known.key, rows[-1] if rows else None, fault)

    def entries(self, site: str, *, after: int, limit: int) -> list[LedgerPosition]:
        """What the site has signed about entries beyond `after`, by number."""
        with self._db.reading() as session:
            since = session.scalar(select(Site.key_since).where(Site.site == site)) or 0
            stated = _stated(site, since)
            query = select(stated.c.n, stated.c.hash).where(stated.c.n > after).order_by(stated.c.n)
            return [LedgerPosition(n, digest) for n, digest in session.execute(query.limit(limit))]


def _checkpoints(site: str) -> Select[CheckpointRow]:
    return select(CheckpointRow).where(CheckpointRow.site == site)


def _last(session: Session, site: str) -> CheckpointRow | None:
    return session.scalars(_checkpoints(site).order_by(CheckpointRow.n.desc()).limit(1)).first()


def _stated(site: str, since: int) -> Subquery:
    """Number and hash of all entries that the site's present key has signed, in reports and checkpoints."""
    reports = select(StoredReport.ledger_n.label("n"), StoredReport.ledger_hash.label("hash")).where(
        StoredReport.site == site, StoredReport.received_at >= since, StoredReport.ledger_n.is_not(None)
    )
    checkpoints = select(CheckpointRow.n, CheckpointRow.hash).where(CheckpointRow.site == site)
    return union(reports, checkpoints).subquery()


def _refuse_contradiction(
    session: Session, site: Site, last: CheckpointRow | None, found: LedgerCheckpoint
) -> None:
    """Raise `MessageRefused` when a checkpoint contradicts what the site's key has signed before."""
    if site.key != found.key:
        raise MessageRefused(
            f"site {site.site} signs with another key than the one of its enrolment; if its gate has lost "
            f"the key, `blindspot sites revoke {site.site}` and `add` it again"
        )
    if last is not None and found.n <= last.n:
        raise MessageRefused(
            f"the ledger of site {site.site} went back from entry {last.n} to entry {found.n}, or has "
            "another hash for it: it was rewritten or restored from an older copy"
        )
    _refuse_fork(session, site.site, since=site.key_since, after=last.n if last else 0, also=found.position)


def _refuse_fork(
    session: Session, site: str, *, since: int, after: int = 0, also: LedgerPosition | None = None
) -> None:
    """Raise `MessageRefused` when the site has signed two hashes for one entry beyond `after`.

    `also` is signed as well.
    """
    stated = _stated(site, since)
    twice = select(stated.c.n).where(stated.c.n > after).group_by(stated.c.n).having(func.count() > 1)
    fork = session.scalar(twice.order_by(stated.c.n).limit(1))
    if fork is None and also is not None:
        other = (stated.c.n == also.n) & (stated.c.hash != also.hash)
        fork = session.scalar(select(stated.c.n).where(other).limit(1))
    if fork is not None:
        raise MessageRefused(
            f"site {site} has signed two ledgers: entry {fork} has different hashes; its key is used twice, "
            "or its ledger was rewritten"
        )
