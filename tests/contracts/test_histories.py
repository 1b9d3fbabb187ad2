"""What the database keeps about the past, on every database."""

import pytest
from ulid import ULID

from cloud.errors import NotKnown
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import Database
from cloud.store.delivery_records import HazardStatus
from cloud.store.history.change_marks import ChangeMarks
from cloud.store.history.evaluation_store import EvaluationStore
from cloud.store.history.evidence_store import EvidenceStore
from cloud.store.history.ledger_days import LedgerDays
from cloud.store.history.review_store import ImageVerdict, ReviewStore
from cloud.store.history.trend_store import Span, TrendStore
from cloud.store.mode_store import ModeStore
from cloud.store.records import (
    CampaignPlan,
    CampaignStage,
    EvaluationRow,
    ModeState,
    ModeStatus,
    Release,
    Rollout,
    SyntheticImage,
)
from cloud.store.release_store import ReleaseStore
from cloud.store.report_store import ReportStore
from messaging.releases import Role
from messaging.reports import ErrorKind, EvidenceSource, SwapOutcome
from tests.support.cloud.sample_reports import (
    MINUTE,
    NEW,
    NIGHT_RAIN,
    OLD,
    heartbeat,
    misdetection,
    received,
    swap,
    tally,
)
from tests.support.messaging.samples import HAZARD

MODE = "pothole.night-rain.missed"


def test_every_change_of_a_status_is_kept_with_its_reason(database: Database) -> None:
    store = ModeStore(database)
    store.put(ModeState(MODE, ModeStatus.OPEN, 1), "found")
    store.put(ModeState(MODE, ModeStatus.IN_CAMPAIGN, 2, "C1"), "campaign C1 began")
    store.put(ModeState(MODE, ModeStatus.IN_CAMPAIGN, 3, "C1", baseline_rate=0.5), "no change")
    store.put(ModeState("smoke.day-fog.missed", ModeStatus.CLOSED, 4), "another mode")
    store.put(ModeState(MODE, ModeStatus.CLOSED, 5, "C1"), "recall is above the target")
    assert [(c.at, c.before, c.status, c.campaign, c.reason) for c in store.changes(MODE)] == [
        (2, ModeStatus.OPEN, ModeStatus.IN_CAMPAIGN, "C1", "campaign C1 began"),
        (5, ModeStatus.IN_CAMPAIGN, ModeStatus.CLOSED, "C1", "recall is above the target"),
    ]
    assert len(store.changes()) == 3


HOUR = 3600
START = MINUTE - MINUTE % HOUR
SPAN = Span(START - 5 * HOUR, START + HOUR, HOUR)


def test_hazards_misdetections_and_reporting_sites_are_summed_by_hour(database: Database) -> None:
    reports, store = ReportStore(database), TrendStore(database)
    for hours, site in ((0, "harbour"), (0, "quay"), (3, "harbour"), (9, "harbour")):
        began = START - hours * HOUR + 7
        hazard = HAZARD.model_copy(update={"event": str(ULID()), "started_at_utc": began})
        miss = misdetection(minute_utc=START - hours * HOUR + 60)
        reports.insert([received(hazard, site), received(miss, site)])
    assert store.hazards(SPAN, None) == {START: 2, START - 3 * HOUR: 1}
    assert store.hazards(SPAN, ["quay"]) == {START: 1}
    assert store.hazards(SPAN, []) == {}
    assert store.reporting_sites(SPAN, None) == {START: 2}
    reports.quarantine_site("quay", True)
    assert store.misdetections(SPAN, None) == {START: 1, START - 3 * HOUR: 1}


def test_the_models_of_a_site_are_those_of_its_receipts_without_the_teachers(database: Database) -> None:
    reports, teacher = ReportStore(database), "7" * 64
    release = Release(teacher, "service", "t", 1, 1, None, None, {}, MINUTE, Role.TEACHER)
    ReleaseStore(database).put_release(release)
    for n, (digest, outcome) in enumerate(
        (
            (OLD, SwapOutcome.INSTALLED),
            (teacher, SwapOutcome.INSTALLED),
            (NEW, SwapOutcome.SHADOWING),
            (NEW, SwapOutcome.INSTALLED),
            (NEW, SwapOutcome.ROLLED_BACK),
        )
    ):
        receipt = swap(n, digest, outcome).model_copy(update={"at_utc": MINUTE + n, "previous_digest": OLD})
        reports.insert([received(receipt)])
    changes = TrendStore(database).model_changes(None)
    assert [(c.at - MINUTE, c.digest) for c in changes] == [(0, OLD), (3, NEW), (4, OLD)]
    assert TrendStore(database).model_changes(["quay"]) == []


DAY = 86_400
DAYS = Span(MINUTE - 5 * DAY, MINUTE + 1, DAY)
TODAY = MINUTE - MINUTE % DAY


def test_evidence_and_recall_of_a_mode_are_summed_by_day(database: Database) -> None:
    reports, store = ReportStore(database), EvidenceStore(database)
    key = ("pothole", NIGHT_RAIN.condition)
    reports.insert(
        [
            *(received(misdetection(minute_utc=TODAY - DAY)) for _ in range(3)),
            received(misdetection(minute_utc=TODAY, evidence=EvidenceSource.MOTION)),
            received(misdetection(minute_utc=TODAY, kind=ErrorKind.FALSE_ALARM)),
            received(misdetection(minute_utc=TODAY, class_name="smoke")),
            received(misdetection(minute_utc=TODAY), "quay"),
            received(tally(minute_utc=TODAY)),
            received(tally(minute_utc=TODAY, camera="south", supported=10, detected=9)),
            received(tally(minute_utc=TODAY - DAY, source=EvidenceSource.SHADOW)),
        ]
    )
    found = store.misdetections(DAYS, *key, ErrorKind.MISSED, None)
    assert found == {TODAY - DAY: {"teacher": 3}, TODAY: {"motion": 1, "teacher": 1}}
    assert store.misdetections(DAYS, *key, ErrorKind.MISSED, ["quay"]) == {TODAY: {"teacher": 1}}
    sums = store.recall(DAYS, *key, None)
    assert {at: [(c.supported, c.detected) for c in counts] for at, counts in sums.items()} == {
        TODAY: [(50, 19)]
    }
    assert store.recall(DAYS, *key, ["quay"]) == {}
    reports.quarantine_site("harbour", True)
    assert store.misdetections(DAYS, *key, ErrorKind.MISSED, None) == {TODAY: {"teacher": 1}}


def test_reviews_are_kept_and_only_those_in_time_are_left_out(database: Database) -> None:
    rows, store = CampaignStore(database), ReviewStore(database)
    for campaign in ("C1", "C2"):
        rows.create(campaign, CampaignPlan((f"a.day-clear.missed.{campaign}",), 5), started_by="test")
        rows.put_images([SyntheticImage(campaign, f"{campaign}-{n}", MODE, True) for n in range(2)])
    first, second = (image.id for image in rows.images("C1"))
    rejected = ImageVerdict.REJECTED
    assert store.review("C1", first, rejected, reason="floats", by="ana")[1] is False
    rows.begin_stage("C1", CampaignStage.TRAIN, "digest")
    made, begun = store.review("C1", second, rejected, reason="", by="ana")
    assert (made.left_out, begun) == (False, True)
    assert store.left_out("C1") == ["C1-0"]
    assert store.left_out("C2") == ["C1-0", "C1-1"]
    with pytest.raises(NotKnown, match="campaign 'C2' has no image"):
        store.review("C2", first, rejected, reason="", by="ana")
    assert {name: r.reason for name, r in store.of_campaign("C1").items()} == {"C1-0": "floats", "C1-1": ""}


def test_what_left_is_summed_by_day_on_every_database(database: Database) -> None:
    reports, store = ReportStore(database), LedgerDays(database)
    reports.insert([received(misdetection()), received(misdetection()), received(tally(), "quay")])
    found = store.days(DAYS, None, limit=9)
    assert [(d.at, d.site, d.kind, d.count) for d in found] == [
        (TODAY, "harbour", "misdetection", 2),
        (TODAY, "quay", "recall", 1),
    ]
    assert found[0].length_bytes > 0
    assert store.days(DAYS, None, after=(TODAY, "harbour", "misdetection"), limit=9) == found[1:]
    assert store.days(DAYS, ["quay"], limit=9) == found[1:]
    reports.put_dead_letter(subject="site.quay.hazard", message_id="m", reason="no", data=b"x")
    assert (store.dead_letters("quay"), store.dead_letters("harbour")) == (1, 0)


def test_evaluations_are_found_over_campaigns_on_every_database(database: Database) -> None:
    rows, store = CampaignStore(database), EvaluationStore(database)
    for campaign, digest in (("C1", OLD), ("C2", NEW)):
        rows.create(campaign, CampaignPlan((f"a.day-clear.missed.{campaign}",), 5), started_by="test")
        rows.put_evaluations(
            [
                EvaluationRow(campaign, digest, role, "fire", condition, {"ap50": 0.5})
                for role, condition in (("holdout", "all"), ("holdout", "day-rain"), ("shadow:quay", "all"))
            ]
        )
    assert [(r.campaign, r.condition) for r in store.whole()] == [("C1", "all"), ("C2", "all")]
    assert [(r.role, r.condition) for r in store.of_models({NEW})] == [
        ("holdout", "all"),
        ("holdout", "day-rain"),
    ]


def test_the_marks_of_what_has_changed_are_other_ones(database: Database) -> None:
    reports, rows, marks = ReportStore(database), CampaignStore(database), ChangeMarks(database, online_s=60)
    reports.insert([received(HAZARD)])
    rows.create("C1", CampaignPlan((MODE,), 5), started_by="test")
    ModeStore(database).put(ModeState(MODE, ModeStatus.OPEN, 1), "")
    rows.begin_stage("C1", CampaignStage.PLAN, "digest")
    ReleaseStore(database).put_rollout(Rollout("r1", None, OLD, None, "canary", False, {}, "", 1, 2))
    before = marks.read()
    assert sorted(str(what.kind) for what in before) == [
        "campaign", "failure_mode", "hazard", "rollout", "site"
    ]  # fmt: skip
    assert marks.read() == before
    rows.report_progress("C1", CampaignStage.PLAN, "digest", progress=0.5, note="")
    reports.hazard_changes.handle("harbour", HAZARD.event, HazardStatus.ACKNOWLEDGED)
    reports.put_heartbeats([received(heartbeat())])
    after = marks.read()
    changed = {str(what.kind) for what, mark in after.items() if before[what] != mark}
    assert changed == {"campaign", "hazard", "site"}
