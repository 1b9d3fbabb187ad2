"""One suite for every database: a revoked site's reports are deleted, and what was made of them is named."""

from itertools import count
from typing import Any

import pytest
from sqlalchemy import func, select

from cloud.errors import NotNow
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import Database
from cloud.store.history.review_store import ReviewStore
from cloud.store.mapping import Record
from cloud.store.records import CampaignPlan, CampaignStage, Release, SyntheticImage
from cloud.store.release_store import ReleaseStore
from cloud.store.report_records import HazardRow, MisdetectionRow, PrototypeRow, StoredReport
from cloud.store.report_store import ReportStore
from cloud.store.retention import site_removal
from cloud.store.retention.site_removal import DerivedCampaign, SiteRemoval
from messaging.releases import Channel
from messaging.reports import ErrorKind
from tests.support.cloud.sample_reports import MINUTE, MODE, NEW, misdetection, prototype, received, tally
from tests.support.messaging.samples import HAZARD

OTHER_MODE = "fire.night-rain.missed"


@pytest.fixture
def reports(database: Database) -> ReportStore:
    """Two sites; the liar has 3 of 4 misdetections of the campaign's failure mode."""
    store = ReportStore(database)
    miss = misdetection(kind=ErrorKind.MISSED)
    store.insert([received(miss, "liar") for _ in range(3)])
    store.insert([received(tally(), "liar"), received(prototype((1, 2)), "liar"), received(HAZARD, "liar")])
    store.insert([received(miss, "honest"), received(HAZARD, "honest")])
    return store


def rows_of(database: Database, table: type[Record], site: str) -> int:
    with database.reading() as session:
        query = select(func.count()).select_from(table).where(table.site == site)  # type: ignore[attr-defined]  # all have one
        return session.scalar(query) or 0


def started(database: Database, *modes: str) -> CampaignStore:
    campaigns = CampaignStore(database)
    campaigns.create("C1", CampaignPlan(modes, 3), started_by="ana")
    campaigns.put_images(
        [
            SyntheticImage("C1", f"image-{n}", modes[0], kept=n < 2, reason="" if n < 2 else "x")
            for n in range(3)
        ]
    )
    return campaigns


def test_a_site_that_is_not_revoked_is_not_removed(database: Database, reports: ReportStore) -> None:
    with pytest.raises(
        NotNow, match="site liar is not revoked; revoke it with `blindspot sites revoke liar`"
    ):
        SiteRemoval(database).remove("liar", reject_images=False, by="ana")
    with pytest.raises(NotNow):
        SiteRemoval(database).remove("nowhere", reject_images=False, by="ana")
    assert rows_of(database, StoredReport, "liar") == 6


def test_everything_that_it_reported_goes_and_nothing_of_others(
    database: Database, reports: ReportStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_removal, "BATCH", 2)
    reports.revoke_site("liar")
    for number, site in enumerate(("liar", "honest")):
        subject = f"site.{site}.report.hazard"
        reports.put_dead_letter(subject=subject, message_id=f"m{number}", reason="x", data=b"y")
    counts = SiteRemoval(database).counts("liar")
    deleted = SiteRemoval(database).remove("liar", reject_images=False, by="ana").deleted
    assert deleted == counts
    assert deleted == {"reports": 6, "hazards": 1, "verdict_requests": 0, "heartbeats": 0, "dead_letters": 1}
    assert [letter.subject for letter in reports.dead_letters()] == ["site.honest.report.hazard"]
    for table in (StoredReport, MisdetectionRow, PrototypeRow, HazardRow):
        assert rows_of(database, table, "liar") == 0
    assert (rows_of(database, MisdetectionRow, "honest"), rows_of(database, HazardRow, "honest")) == (1, 1)
    assert reports.site("liar").revoked, "the site itself stays, so that it is refused"
    again = SiteRemoval(database).remove("liar", reject_images=False, by="ana")
    assert set(again.deleted.values()) == {0}


class Crash(Exception):
    """The end of the process in the midst of a removal."""


@pytest.mark.parametrize("survived", range(7))
def test_a_removal_that_crashed_is_repeated_and_still_names_and_rejects_what_was_made(
    database: Database, reports: ReportStore, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    monkeypatch.setattr(site_removal, "BATCH", 2)
    started(database, MODE)
    reports.revoke_site("liar")
    removal, written, calls = SiteRemoval(database), site_removal.written, count()
    expected = removal.derived("liar")

    def crashing(*given: Any) -> int:
        if next(calls) == survived:
            raise Crash
        return written(*given)

    monkeypatch.setattr(site_removal, "written", crashing)
    with pytest.raises(Crash):
        removal.remove("liar", reject_images=True, by="ana")
    assert ReviewStore(database).left_out("C2") == ["image-0", "image-1"], "rejected before all else"
    assert removal.derived("liar") == expected
    assert rows_of(database, MisdetectionRow, "liar") == 3
    monkeypatch.setattr(site_removal, "written", written)
    again = removal.remove("liar", reject_images=True, by="ana")
    assert (list(again.campaigns), again.rejected_images) == (expected, 2)
    assert set(removal.counts("liar").values()) == {0}


def test_images_stay_unless_their_rejection_is_wanted(database: Database, reports: ReportStore) -> None:
    started(database, MODE)
    reports.revoke_site("liar")
    assert SiteRemoval(database).remove("liar", reject_images=False, by="ana").rejected_images == 0
    assert ReviewStore(database).left_out("C2") == []


def test_the_campaigns_that_it_contributed_to_are_named_with_its_share_images_and_models(
    database: Database, reports: ReportStore
) -> None:
    started(database, MODE, OTHER_MODE)
    for channel in Channel:
        ReleaseStore(database).put_release(Release(NEW, channel, "n", 2, 1, None, "C1", {}, MINUTE))
    removal = SiteRemoval(database)
    assert removal.derived("liar") == [DerivedCampaign("C1", (MODE,), 3, 4, 2, (NEW,))]
    assert removal.derived("honest")[0].own == 1
    assert removal.derived("nowhere") == []


def test_evidence_that_came_after_a_campaign_has_no_part_in_it(database: Database) -> None:
    ReportStore(database).insert([received(misdetection(minute_utc=MINUTE + 600), "late")])
    started(database, MODE)
    assert SiteRemoval(database).derived("late") == []


@pytest.mark.parametrize("began", [False, True])
def test_rejected_images_are_left_out_of_trainings_that_begin_later(database: Database, began: bool) -> None:
    campaigns, reviews = started(database, MODE), ReviewStore(database)
    if began:
        campaigns.begin_stage("C1", CampaignStage.TRAIN, "d")
    assert reviews.reject_all("C1", reason="site liar was removed", by="ana") == 2
    assert reviews.left_out("C1") == ([] if began else ["image-0", "image-1"])
    assert reviews.left_out("C2") == ["image-0", "image-1"]
    assert {one.reason for one in reviews.of_campaign("C1").values()} == {"site liar was removed"}
