"""Resources made of records: fields of the same name are taken over, the others are computed."""

from dataclasses import replace
from typing import Any

import pytest

from cloud.api.views import (
    ONLINE_S,
    camera_view,
    campaign_view,
    comparison_views,
    guard_view,
    image_view,
    mode_view,
    model_view,
    rollout_view,
    site_view,
    whole_rollout_view,
)
from cloud.failure_modes.estimated_recall import RecallEstimate
from cloud.failure_modes.rules import FailureMode, GeometryBin, ModeKey
from cloud.store.lists.fleet_lists import RunningModels, SiteCamera, StatedBudget
from cloud.store.records import (
    Campaign,
    CampaignPlan,
    CampaignStage,
    CampaignState,
    EvaluationRow,
    ModeState,
    ModeStatus,
    Release,
    Rollout,
    StageRecord,
    StageState,
    SyntheticImage,
)
from cloud.store.report_records import DeadLetter, HazardRow, LedgerTotal, Site, SiteGuard, SiteHeartbeat
from messaging.api.dead_letters import DeadLetterResource
from messaging.reports import ErrorKind, HazardState
from messaging.resources import HazardResource, LedgerResource
from messaging.taxonomy import Condition, Light, RegionBin, SizeBin, Weather
from tests.support.cloud.sample_reports import MINUTE, MODE, NEW, OLD, guard, guards_of_rollout, heartbeat
from tests.support.messaging.samples import HEARTBEAT

NIGHT_RAIN = Condition(Light.NIGHT, Weather.RAIN)
CAMPAIGN = Campaign(
    "C1", CampaignState.RUNNING, CampaignPlan((MODE,), 60, 7, OLD), "operator", "", 1, 100, 150, None
)


def beat(site: str = "harbour", digest: str | None = OLD) -> SiteHeartbeat:
    return SiteHeartbeat(site, "M1", 1000, 100, heartbeat(digest, uptime_s=30, shed=2), 1000)


def stage(name: CampaignStage, state: StageState = StageState.DONE, **changes: object) -> StageRecord:
    return replace(StageRecord("C1", name, "d", state, 100), **changes)


def test_a_site_without_a_heartbeat_is_offline_and_has_no_model() -> None:
    view = site_view(Site("harbour", 10, revoked=True, ledger_n=5), None, 1000.0)
    assert (view.site, view.online, view.revoked, view.ledger_n) == ("harbour", False, True, 5)
    assert (view.model_digest, view.last_seen_at, view.cameras) == (None, None, 0)


@pytest.mark.parametrize(("age_s", "online"), [(0.0, True), (ONLINE_S, True), (ONLINE_S + 1, False)])
def test_a_site_is_online_for_a_minute_after_its_heartbeat(age_s: float, online: bool) -> None:
    view = site_view(Site("harbour", 10, ledger_n=5), beat(), 1000 + age_s)
    assert (view.online, view.last_seen_at, view.model_digest) == (online, 1000, OLD)
    assert (view.uptime_s, view.shed, view.ledger_n, view.revoked) == (30, 2, 5, False)


@pytest.mark.parametrize(
    ("teacher", "why"),
    [
        ({"teacher_digest": OLD, "teacher_fraction": 0.2}, ""),
        ({"teacher_digest": None, "teacher_fraction": 0.0}, "no teacher"),
        ({"teacher_fraction": None}, "its configuration switches the teacher off"),
    ],
)
def test_a_site_without_a_teacher_cannot_close_failure_modes(teacher: dict[str, Any], why: str) -> None:
    sent = replace(beat(), heartbeat=HEARTBEAT.model_copy(update=teacher))
    assert site_view(Site("harbour", 10), sent, 1000.0).cannot_close == why


def test_the_cameras_of_a_heartbeat_carry_its_site() -> None:
    sent = replace(beat(), heartbeat=HEARTBEAT)
    camera = HEARTBEAT.cameras[0]
    view = camera_view(SiteCamera("harbour", camera), None)
    assert camera.flow is not None
    stated = camera.model_dump(exclude={"flow"}) | camera.flow.model_dump()
    assert view.model_dump(include=set(stated)) == stated
    assert view.site == "harbour"
    assert site_view(Site("harbour", 10), sent, 1000.0).cameras == 1
    assert (view.epsilon_spent, view.epsilon_spent_at) == (None, None)


def test_a_camera_has_the_budget_that_its_last_prototype_states() -> None:
    view = camera_view(SiteCamera("harbour", HEARTBEAT.cameras[0]), StatedBudget(3.5, MINUTE))
    assert (view.epsilon_spent, view.epsilon_spent_at) == (3.5, MINUTE)


def test_a_hazard_a_ledger_total_and_a_dead_letter_are_taken_over_as_they_are() -> None:
    box = (0.5, 0.4, 0.2, 0.1)
    row = HazardRow(
        "harbour", "E1", "north", "fire", HazardState.OPENED, NIGHT_RAIN, None, 5, 0.9, box, 10, 20, OLD
    )
    hazard = HazardResource.model_validate(row)
    assert (hazard.condition, hazard.state, hazard.box) == ("night-rain", "opened", box)
    assert (hazard.started_at_utc, hazard.at_utc) == (10, 20)
    assert HazardResource.model_validate_json(hazard.model_dump_json()) == hazard
    total = LedgerResource.model_validate(LedgerTotal("harbour", "hazard", 3, 99))
    assert (total.kind, total.count, total.length_bytes) == ("hazard", 3, 99)
    letter = DeadLetter("report.x", "M1", "damaged", b"12345", 10)
    letter.id = 7
    shown = DeadLetterResource.model_validate(letter)
    assert (shown.id, shown.reason, shown.length_bytes) == (7, "damaged", 5)


def test_a_failure_mode_has_key_evidence_state_and_target_side_by_side() -> None:
    mode = FailureMode(
        key=ModeKey("pothole", NIGHT_RAIN, ErrorKind.MISSED),
        count=15,
        count_in_service=12,
        sites=("harbour",),
        cameras=("north",),
        sources={"teacher": 15},
        geometry=(GeometryBin(SizeBin.SMALL, RegionBin.BOTTOM, 0.75),),
        first_seen_utc=MINUTE,
        first_model=OLD,
        last_seen_utc=MINUTE + 60,
        frequency_per_hour=1.23456,
        severity=2,
        recall=RecallEstimate(40, 10, {"teacher": (40, 10)}),
        rate=0.3,
        state=ModeState(MODE, ModeStatus.IN_CAMPAIGN, 99, campaign="C1", baseline_rate=0.4),
    )
    view = mode_view(mode, 0.5, "garbage")
    assert (view.id, view.condition, view.kind, view.class_name) == (MODE, "night-rain", "missed", "pothole")
    assert (view.status, view.status_since, view.campaign) == ("in_campaign", 99, "C1")
    assert (view.target, view.baseline_rate, view.rate, view.suggested_class) == (0.5, 0.4, 0.3, "garbage")
    assert (view.frequency_per_hour, view.harm) == (1.2346, round(mode.harm, 4))
    assert (view.recall.value, view.recall.by_source) == (0.25, {"teacher": (40, 10)})
    assert view.recall.low < 0.25 < view.recall.high
    assert [(one.size, one.region, one.weight) for one in view.geometry] == [("small", "bottom", 0.75)]


def test_a_campaign_has_all_ten_stages_its_plan_and_the_numbers_of_its_images() -> None:
    done = [stage(CampaignStage.PLAN), stage(CampaignStage.TRAIN, output={"bundle_digest": NEW})]
    view = campaign_view(CAMPAIGN, done, {(True, ""): 45, (False, "duplicate"): 15}, 200.0)
    assert [one.stage for one in view.stages] == list(CampaignStage)
    assert {one.stage for one in view.stages if one.state == "pending"} == set(CampaignStage) - {
        "plan",
        "train",
    }
    assert (view.modes, view.count, view.seed) == ((MODE,), 60, 7)
    assert (view.incumbent_digest, view.candidate_digest) == (OLD, NEW)
    assert (view.images_kept, view.images_refused) == (45, {"duplicate": 15})


def test_a_campaign_that_has_not_trained_has_no_candidate() -> None:
    assert campaign_view(CAMPAIGN, [], {}, 200.0).candidate_digest is None


@pytest.mark.parametrize(
    ("state", "progress", "left_s"),
    [
        (StageState.RUNNING, 0.25, 300.0),
        (StageState.RUNNING, 0.01, None),
        (StageState.DONE, 1.0, None),
        (StageState.FAILED, 0.5, None),
    ],
)
def test_the_time_left_is_extrapolated_from_the_progress_of_a_running_stage(
    state: StageState, progress: float, left_s: float | None
) -> None:
    running = stage(CampaignStage.TRAIN, state, progress=progress, metrics={"images": 9}, note="epoch 1")
    view = campaign_view(CAMPAIGN, [running], {}, 200.0)
    train = next(one for one in view.stages if one.stage == "train")
    assert (train.seconds_left, train.metrics, train.note) == (left_s, {"images": 9}, "epoch 1")


@pytest.mark.parametrize(
    ("path", "address"),
    [("campaigns/C1/a.jpg", "/api/v1/campaigns/C1/images/3/thumbnail"), ("", None)],
)
def test_a_thumbnail_is_an_address_and_never_a_path(path: str, address: str | None) -> None:
    image = SyntheticImage("C1", "a", MODE, True, thumbnail=path, provenance={"seed": 1})
    image.id = 3
    view = image_view(image)
    assert (view.id, view.thumbnail, view.provenance) == (3, address, {"seed": 1})


def test_a_model_has_the_sites_whose_heartbeat_names_it() -> None:
    release = Release(OLD, "service", "model", 2, 10, None, "C1", {"classes": ["fire"]}, MINUTE)
    running = [RunningModels("harbour", OLD, None), RunningModels("tunnel", NEW, None)]
    view = model_view(
        release, [*running, RunningModels("quay", NEW, OLD), RunningModels("attic", None, None)]
    )
    assert view.sites == ("harbour", "quay")
    assert (view.version, view.campaign, view.description) == (2, "C1", {"classes": ["fire"]})


def test_a_rollout_has_the_states_of_its_sites() -> None:
    site = {"site": "harbour", "group": "canary", "state": "ordered", "reason": "", "sequence": 4}
    rollout = Rollout("R1", None, NEW, OLD, "canary", False, {"sites": [site]}, "", 10, 20)
    view = whole_rollout_view(rollout, (), None)
    assert [(one.site, one.group, one.state) for one in view.sites] == [("harbour", "canary", "ordered")]
    assert whole_rollout_view(replace(rollout, state={}), (), None).sites == ()


def test_a_rollout_has_what_the_guards_of_its_visible_sites_measured() -> None:
    sites = [{"site": name, "group": "all", "state": "running"} for name in ("north", "south", "west")]
    rollout = Rollout("R1", None, NEW, OLD, "all", False, {"sites": sites}, "", 10, 20)
    guards = [SiteGuard(site, report) for site, report in guards_of_rollout(NEW, OLD, MINUTE)]
    view = whole_rollout_view(rollout, (), frozenset({"north", "west"}), guards)
    north, west = view.sites
    assert west.guard is None
    assert north.guard is not None
    assert (north.guard.outcome, north.guard.alarm_ratio) == ("passed", 1.2)
    assert north.guard.recall_text == "91 % [85, 95] of 140 tracks (84 % [77, 89] before)"


def test_a_guard_without_a_teacher_or_alarms_before_has_neither_recall_nor_ratio() -> None:
    report = guard(NEW, OLD, MINUTE, previous_alarms_per_frame=0.0, output_fraction=0.0, teacher_recall=None)
    view = guard_view(report)
    assert (view.alarm_ratio, view.recall, view.recall_text) == (None, None, "no teacher, or too few tracks")
    assert view.alarms_text == "0.12 per frame (0 before)"
    assert view.output_text == "none in 3,400 frames"
    assert view.latency_text == "31 ms (29 before)"


def test_a_rollout_of_a_list_has_the_number_of_visible_sites_in_each_state() -> None:
    states = {"harbour": "running", "quay": "running", "attic": "failed", "tunnel": "waiting"}
    sites = [{"site": site, "group": "all", "state": state} for site, state in states.items()]
    rollout = Rollout("R1", None, NEW, OLD, "all", False, {"sites": sites}, "", 10, 20)
    view = rollout_view(rollout, None)
    assert (view.sites, view.number_of_sites) == ((), 4)
    assert view.site_states == {"running": 2, "failed": 1, "waiting": 1}
    some = frozenset({"harbour", "attic"})
    assert rollout_view(rollout, some).site_states == {"running": 1, "failed": 1}
    assert whole_rollout_view(rollout, (), some).number_of_sites == 2


def test_a_comparison_is_one_cell_per_role_class_and_condition() -> None:
    def row(digest: str, role: str, class_name: str, recall: float) -> EvaluationRow:
        return EvaluationRow("C1", digest, role, class_name, "day-clear", {"recall": recall})

    cells = comparison_views(
        CAMPAIGN,
        NEW,
        [
            row(OLD, "shadow:harbour", "fire", 0.1),
            row(OLD, "holdout", "fire", 0.2),
            row(NEW, "holdout", "fire", 0.3),
            row("0c" * 32, "holdout", "smoke", 0.4),
        ],
    )
    assert [(cell.role, cell.class_name, cell.before, cell.after) for cell in cells] == [
        ("holdout", "fire", {"recall": 0.2}, {"recall": 0.3}),
        ("holdout", "smoke", None, None),
        ("shadow:harbour", "fire", {"recall": 0.1}, None),
    ]
