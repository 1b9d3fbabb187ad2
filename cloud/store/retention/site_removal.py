"""Removes what a revoked site reported, and finds the campaigns that were planned with its evidence.

The site itself stays, revoked, with its ledger totals, lanes and orders: they prove what was received. Images
and models that were made before cannot be unmade; a campaign's images are rejected, so that no later training
uses them, and its releases are named.

A removal may be repeated after a crash: images are rejected before anything is deleted, and the
misdetections, by which the campaigns are found, are deleted last and together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, delete, func, select
from sqlalchemy.orm import Session

from cloud.errors import NotNow
from cloud.store.database import Database, written
from cloud.store.history.request_store import VerdictRequestRow
from cloud.store.history.review_store import ReviewStore
from cloud.store.mapping import Record
from cloud.store.records import Campaign, Release, SyntheticImage
from cloud.store.report_records import (
    DeadLetter,
    HazardRow,
    MisdetectionRow,
    Site,
    SiteHeartbeat,
    StoredReport,
)
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


@dataclass(frozen=True)
class RemovedSite:
    """What was deleted, in rows by table, what it had been used for, and how many images were rejected."""

    deleted: dict[str, int]
    campaigns: tuple[DerivedCampaign, ...]
    rejected_images: int


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

    def counts(self, site: str) -> dict[str, int]:
        """How many rows a removal would delete now, by table."""
        with self._db.reading() as session:
            return {
                name: session.scalar(select(func.count()).select_from(table).where(of_site)) or 0
                for name, table, of_site in _tables(site)
            }

    def rejected_images(self, site: str) -> int:
        """How many generated images are rejected because the site was removed."""
        return ReviewStore(self._db).rejected(reason=_reason(site))

    def remove(self, site: str, *, reject_images: bool, by: str) -> RemovedSite:
        """Delete everything that the site reported, in small transactions.

        With `reject_images` those of the derived campaigns are rejected before. Raises `NotNow` if the site
        is not revoked, as more would come.
        """
        with self._db.reading() as session:
            known = session.get(Site, site)
        if known is None or not known.revoked:
            raise NotNow(f"site {site} is not revoked; revoke it with `blindspot sites revoke {site}` first")
        campaigns, reviews = self.derived(site), ReviewStore(self._db)
        reason, wanted = _reason(site), campaigns if reject_images else []
        rejected = sum(reviews.reject_all(one.campaign, reason=reason, by=by) for one in wanted)
        return RemovedSite(self._delete(site), tuple(campaigns), rejected)

    def _delete(self, site: str) -> dict[str, int]:
        """The records of what the reports contain go with them."""
        row = StoredReport
        evidence = row.id.in_(select(MisdetectionRow.report_id).where(MisdetectionRow.site == site))
        others = self._delete_reports((row.site == site) & ~evidence)
        deleted = {}
        for name, table, of_site in _tables(site)[1:]:
            with self._db.writing() as session:
                deleted[name] = written(session, delete(table).where(of_site))
        with self._db.writing() as session:
            last = written(session, delete(row).where(evidence))
        return {"reports": others + last, **deleted}

    def _delete_reports(self, wanted: ColumnElement[bool]) -> int:
        total, row = 0, StoredReport
        while True:
            with self._db.writing() as session:
                ids = session.scalars(select(row.id).where(wanted).limit(BATCH)).all()
                total += written(session, delete(row).where(row.id.in_(ids))) if ids else 0
            if len(ids) < BATCH:
                return total


def _reason(site: str) -> str:
    """Of the rejection of images that were made with the site's evidence."""
    return f"site {site} was removed"


def _tables(site: str) -> tuple[tuple[str, type[Record], ColumnElement[bool]], ...]:
    """What a removal deletes of a site: name, table, rows; the reports first."""
    return (
        ("reports", StoredReport, StoredReport.site == site),
        ("hazards", HazardRow, HazardRow.site == site),
        ("verdict_requests", VerdictRequestRow, VerdictRequestRow.site == site),
        ("heartbeats", SiteHeartbeat, SiteHeartbeat.site == site),
        ("dead_letters", DeadLetter, DeadLetter.of_site(site)),
    )


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
