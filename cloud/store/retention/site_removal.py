"""Removes what a revoked site reported, and finds the campaigns that were planned with its evidence.

The site itself stays, revoked, with its ledger totals, lanes and orders: they prove what was received. Images
and models that were made before cannot be unmade; a campaign's images are rejected, so that no later training
uses them, and its releases are named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, delete, func, select
from sqlalchemy.orm import Session

from cloud.errors import NotNow
from cloud.store.database import Database, written
from cloud.store.history.request_store import VerdictRequestRow
from cloud.store.records import Campaign, Release, SyntheticImage
from cloud.store.report_records import HazardRow, MisdetectionRow, Site, SiteHeartbeat, StoredReport
from cloud.store.retention.retention_store import BATCH
from messaging.reports import ErrorKind
from messaging.taxonomy import Condition

Mode = tuple[str, str, str]
"""Class, key of the condition, kind."""


@dataclass(frozen=True)
class DerivedCampaign:
    """A campaign whose failure modes a site had evidence of when it was created.

    `own` of the `evidence` misdetections are the site's; `images`: kept generated images; `releases`: digests
    of the models that it made.
    """

    campaign: str
    modes: tuple[str, ...]
    own: int
    evidence: int
    images: int
    releases: tuple[str, ...]


class SiteRemoval:
    """What is left of a revoked site in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def derived(self, site: str) -> list[DerivedCampaign]:
        """The campaigns with failure modes of which the site reported before they were created."""
        with self._db.reading() as session:
            modes = _modes_of(session, site)
            campaigns = session.scalars(select(Campaign).order_by(Campaign.id)).all()
            found = (_derived(session, site, campaign, modes) for campaign in campaigns)
            return [one for one in found if one.own]

    def delete(self, site: str) -> dict[str, int]:
        """Delete everything that the site reported, in small transactions; numbers of rows by table.

        Raises `NotNow` if the site is not revoked, as more would come.
        """
        with self._db.reading() as session:
            known = session.get(Site, site)
        if known is None or not known.revoked:
            raise NotNow(f"site {site} is not revoked; revoke it with `blindspot sites revoke {site}` first")
        deleted = {"reports": self._delete_reports(site)}
        for table, rows in (
            ("hazards", delete(HazardRow).where(HazardRow.site == site)),
            ("verdict_requests", delete(VerdictRequestRow).where(VerdictRequestRow.site == site)),
            ("heartbeats", delete(SiteHeartbeat).where(SiteHeartbeat.site == site)),
        ):
            with self._db.writing() as session:
                deleted[table] = written(session, rows)
        return deleted

    def _delete_reports(self, site: str) -> int:
        """The records of what the reports contain go with them."""
        total, row = 0, StoredReport
        while True:
            with self._db.writing() as session:
                ids = session.scalars(select(row.id).where(row.site == site).limit(BATCH)).all()
                total += written(session, delete(row).where(row.id.in_(ids))) if ids else 0
            if len(ids) < BATCH:
                return total


def _modes_of(session: Session, site: str) -> set[Mode]:
    row = MisdetectionRow
    found = session.execute(
        select(row.class_name, row.condition, row.kind).where(row.site == site).distinct()
    )
    return {(name, condition.key, str(kind)) for name, condition, kind in found}


def _derived(session: Session, site: str, campaign: Campaign, modes: set[Mode]) -> DerivedCampaign:
    shared = [name for name in campaign.plan.modes if _parts(name) in modes]
    counts = [_evidence(session, site, _parts(name), campaign.created_at) for name in shared]
    image, release = SyntheticImage, Release
    kept = select(func.count()).where(image.campaign == campaign.id, image.kept)
    made = select(release.digest).where(release.campaign == campaign.id).distinct()
    return DerivedCampaign(
        campaign=campaign.id,
        modes=tuple(shared),
        own=sum(own for own, _ in counts),
        evidence=sum(whole for _, whole in counts),
        images=session.scalar(kept) or 0,
        releases=tuple(session.scalars(made)),
    )


def _evidence(session: Session, site: str, mode: Mode, before: int) -> tuple[int, int]:
    """Misdetections of a mode before a time: those of the site, and all."""
    row = MisdetectionRow
    name, condition, kind = mode
    wanted: Sequence[ColumnElement[bool]] = (
        row.class_name == name,
        row.condition == Condition.parse(condition),
        row.kind == ErrorKind(kind),
        row.minute_utc <= before,
    )
    own = func.sum(case((row.site == site, 1), else_=0))
    found = session.execute(select(own, func.count()).where(*wanted)).one()
    return int(found[0] or 0), int(found[1])


def _parts(mode: str) -> Mode:
    name, condition, kind = mode.split(".")
    return name, condition, kind
