"""Verdict requests to sites, and what each site answered: the first answer counts."""

from sqlalchemy import Index, String, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloud.errors import NotKnown, NotNow
from cloud.store.database import Database
from cloud.store.lists.filters import RequestFilter
from cloud.store.lists.report_lists import Visible, of_sites
from cloud.store.mapping import Record
from messaging.reports import AnswerOutcome, VerdictAnswer
from messaging.trust.verdict_requests import MOST_OPEN

FIRST_NUMBER_UTC = 1_767_225_600
"""2026-01-01. Numbers are seconds since then, so that none is used again after the restore of a backup."""
_DAY_S = 86_400


class VerdictRequestRow(Record):
    """One request to a site; `outcome` is None until the site has answered."""

    __tablename__ = "verdict_requests"
    __table_args__ = (Index("ix_verdict_requests_site", "site", "asked_at"),)

    number: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(String(40))
    camera: Mapped[str]
    class_name: Mapped[str]
    at_utc: Mapped[int]
    by: Mapped[str]
    asked_at: Mapped[int]
    expires_at: Mapped[int]
    outcome: Mapped[AnswerOutcome | None] = mapped_column(default=None)
    answered_at: Mapped[int | None] = mapped_column(default=None)


class RequestStore:
    """Verdict requests in the database. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(
        self, site: str, camera: str, class_name: str, *, at_utc: int, by: str, valid_s: int
    ) -> VerdictRequestRow:
        """Store a request. Raises `NotNow`: the site was asked as often as it may be in a day."""
        row, now = VerdictRequestRow, self._db.now()
        with self._db.writing() as session:
            recent = (row.site == site) & (row.asked_at > now - _DAY_S)
            asked = session.scalar(select(func.count()).select_from(row).where(recent)) or 0
            if asked >= MOST_OPEN:
                raise NotNow(
                    f"site {site} was asked {asked} times in 24 hours, which is the most that it answers; "
                    "ask again later"
                )
            last = session.scalar(select(func.max(row.number))) or 0
            number = max(last + 1, now - FIRST_NUMBER_UTC)
            made = row(number, site, camera, class_name, at_utc, by[:80], now, now + valid_s)
            self._db.add(session, made)
        return made

    def withdraw(self, number: int) -> None:
        """Forget a request that could not be sent."""
        row = VerdictRequestRow
        with self._db.writing() as session:
            found = session.get(row, number)
            if found is not None:
                session.delete(found)

    def open(self, site: str) -> list[VerdictRequestRow]:
        """The requests that a site may still answer."""
        row = VerdictRequestRow
        query = select(row).where(row.site == site, row.outcome.is_(None), row.expires_at > self._db.now())
        with self._db.reading() as session:
            return list(session.scalars(query.order_by(row.number)))

    def get(self, site: str, number: int) -> VerdictRequestRow:
        """One request. Raises `NotKnown`."""
        with self._db.reading() as session:
            found = session.get(VerdictRequestRow, number)
        if found is None or found.site != site:
            raise NotKnown(f"site {site[:40]} was sent no verdict request {number}")
        return found

    def requests(
        self, wanted: RequestFilter, visible: Visible = None, *, before: int | None = None, limit: int
    ) -> list[VerdictRequestRow]:
        """Requests, latest first; `before` is the number of the last one seen."""
        row = VerdictRequestRow
        query = select(row).where(*of_sites(row.site, wanted.site, wanted.group, visible))
        if wanted.camera is not None:
            query = query.where(row.camera == wanted.camera)
        if wanted.class_name is not None:
            query = query.where(row.class_name == wanted.class_name)
        if before is not None:
            query = query.where(row.number < before)
        with self._db.reading() as session:
            return list(session.scalars(query.order_by(row.number.desc()).limit(limit)))


def note_answer(session: Session, site: str, answer: VerdictAnswer, now: int) -> None:
    """Store a site's answer to a request that it was sent and has not answered yet."""
    row = VerdictRequestRow
    asked = (row.number == answer.request) & (row.site == site) & row.outcome.is_(None)
    session.execute(update(row).where(asked).values(outcome=answer.outcome, answered_at=now))
