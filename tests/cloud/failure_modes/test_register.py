"""The register changes the status of modes; the baseline rate over one campaign, several, or another's."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cloud.failure_modes.register import ModeRegister
from cloud.settings import FailureModeSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.mode_store import ModeStore
from cloud.store.records import (
    ACTIVE_STATES,
    Campaign,
    CampaignPlan,
    CampaignState,
    IssuedOrder,
    ModeState,
    ModeStatus,
)
from cloud.store.release_store import ReleaseStore
from cloud.store.report_insertion import Received
from cloud.store.report_store import ReportStore
from messaging.reports import ErrorKind, SwapOutcome
from messaging.taxonomy import DEFAULT_TAXONOMY
from tests.support.cloud.sample_reports import (
    MINUTE,
    MODE,
    NEW,
    OLD,
    heartbeat,
    message,
    misdetection,
    new_id,
    open_store,
    prototype,
    received,
    swap,
    tally,
)


@dataclass(frozen=True)
class Fleet:
    """A register over a store that tests write reports into."""

    reports: ReportStore
    campaigns: CampaignStore
    modes: ModeStore
    register: ModeRegister
    releases: ReleaseStore

    def reported(self, model: str, *, misses: int, detected: int, supported: int = 40) -> None:
        """Insert a site's reports of the mode while it runs the model; those of the new model are later."""
        minute = MINUTE + 3600 * (model == NEW)
        missed = [misdetection(model_digest=model, probability=1.0, minute_utc=minute) for _ in range(misses)]
        counted = tally(model_digest=model, supported=supported, detected=detected, minute_utc=minute)
        self.reports.insert([received(report) for report in (*missed, counted)])
        self.reports.put_heartbeats([Received(message(heartbeat(model, at_utc=minute)), 100)])

    def in_campaign(self, model: str) -> Campaign:
        """Start a campaign for the mode, after those before it."""
        for before in self.campaigns.recent(states=ACTIVE_STATES):
            self.campaigns.set_state(before.id, CampaignState.DONE, ended=True)
        plan = CampaignPlan((MODE,), 20, incumbent_digest=model)
        campaign = self.campaigns.create(new_id(), plan, started_by="a test")
        self.register.mark_in_campaign(campaign)
        return campaign

    @property
    def state(self) -> ModeState:
        """The stored state of the mode."""
        return self.modes.states()[MODE]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    database, reports = open_store(tmp_path)
    campaigns, modes = CampaignStore(database), ModeStore(database)
    releases, settings = ReleaseStore(database), FailureModeSettings()
    register = ModeRegister(
        reports, modes, releases, settings, lambda: DEFAULT_TAXONOMY, clock=lambda: MINUTE + 7200
    )
    return Fleet(reports, campaigns, modes, register, releases)


def test_the_rate_that_must_halve_is_that_of_the_first_campaign(fleet: Fleet) -> None:
    fleet.reported(OLD, misses=20, detected=10)
    first = fleet.in_campaign(OLD)
    assert fleet.state.baseline_rate == pytest.approx(0.5)
    fleet.reported(NEW, misses=12, detected=36)
    fleet.register.set_status(MODE, fleet.register.assess(MODE, frozenset([NEW])).status, "verified")
    assert fleet.state.status is ModeStatus.OPEN

    second = fleet.in_campaign(NEW)
    assert (fleet.state.status, fleet.state.campaign) == (ModeStatus.IN_CAMPAIGN, second.id)
    assert second.id != first.id
    assert (fleet.state.baseline_digest, fleet.state.baseline_rate) == (OLD, pytest.approx(0.5))


def test_the_baseline_rate_is_that_of_the_model_that_erred_first(fleet: Fleet) -> None:
    fleet.reported(OLD, misses=20, detected=10)
    fleet.reported(NEW, misses=12, detected=20)
    fleet.in_campaign(NEW)
    assert (fleet.state.baseline_digest, fleet.state.baseline_rate) == (OLD, pytest.approx(0.5))


def test_with_too_few_tracks_of_that_model_the_baseline_rate_is_that_of_the_incumbent(fleet: Fleet) -> None:
    fleet.reported(OLD, misses=10, detected=10, supported=20)
    fleet.reported(NEW, misses=12, detected=20)
    fleet.in_campaign(NEW)
    assert (fleet.state.baseline_digest, fleet.state.baseline_rate) == (NEW, pytest.approx(0.3))


def test_a_mode_improved_by_another_campaign_is_closed_and_reopened_by_the_same_rule(
    fleet: Fleet,
) -> None:
    fleet.reported(OLD, misses=20, detected=10)
    assert fleet.register.refresh() == []
    fleet.reported(NEW, misses=4, detected=36)
    assert [(s.mode, s.status) for s in fleet.register.refresh()] == [(MODE, ModeStatus.CLOSED)]
    assert (fleet.state.baseline_digest, fleet.state.campaign) == (OLD, None)
    fleet.reported(NEW, misses=40, detected=0)
    assert [s.status for s in fleet.register.refresh()] == [ModeStatus.REOPENED]


def test_a_snapshot_from_before_the_end_of_a_campaign_does_not_reopen_its_mode(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.reported(OLD, misses=20, detected=10)
    fleet.in_campaign(OLD)
    before = fleet.register.snapshot(max_age_s=0.0)
    fleet.register.set_status(MODE, ModeStatus.WAITING, "too few tracks")
    with monkeypatch.context() as patched:
        patched.setattr(fleet.register, "snapshot", lambda **_: before)
        assert fleet.register.refresh() == []
    assert fleet.state.status is ModeStatus.WAITING
    moved = replace(fleet.state, status=ModeStatus.CLOSED)
    assert not fleet.modes.replace(before.states[MODE], moved, "by counts from before")
    assert fleet.state.status is ModeStatus.WAITING


@pytest.mark.parametrize(
    ("outcomes", "at_utc", "running"),
    [
        ([SwapOutcome.INSTALLED], MINUTE, NEW),
        ([SwapOutcome.INSTALLED, SwapOutcome.ROLLED_BACK], MINUTE, OLD),
        ([SwapOutcome.SHADOWING], MINUTE, OLD),
        ([SwapOutcome.INSTALLED], MINUTE - 60, OLD),
    ],
    ids=["installed", "rolled back", "in shadow", "before the heartbeat"],
)
def test_a_receipt_counts_until_the_next_heartbeat_states_the_model(
    fleet: Fleet, outcomes: list[SwapOutcome], at_utc: int, running: str
) -> None:
    fleet.reports.put_heartbeats([Received(message(heartbeat(OLD)), 100)])
    fleet.releases.put_order(IssuedOrder("harbour", 7, NEW, "service", MINUTE, {}))
    teacher = swap(6, "f" * 64, SwapOutcome.INSTALLED)
    receipts = [swap(7, NEW, outcome) for outcome in outcomes]
    for receipt in (teacher, *receipts):
        dated = receipt.model_copy(update={"at_utc": at_utc, "previous_digest": OLD})
        fleet.reports.insert([received(dated)])
    assert fleet.register.in_service() == {running}


def test_a_mode_of_false_alarms_is_not_closed_by_recall(fleet: Fleet) -> None:
    fleet.reported(OLD, misses=0, detected=10)
    alarm = misdetection(model_digest=OLD, kind=ErrorKind.FALSE_ALARM, minute_utc=MINUTE)
    fleet.reports.insert([received(alarm)])
    fleet.reported(NEW, misses=0, detected=38)
    assert fleet.register.refresh() == []


def test_a_mode_whose_rate_has_not_halved_stays_open(fleet: Fleet) -> None:
    fleet.reported(OLD, misses=20, detected=10)
    fleet.reported(NEW, misses=12, detected=36)
    assert fleet.register.refresh() == []
    assert fleet.register.mode(MODE).state.status is ModeStatus.OPEN


def test_the_prototype_of_a_mode_of_unknown_class_is_that_of_the_class_assigned_to_it(fleet: Fleet) -> None:
    fleet.reports.insert([received(misdetection(class_name="unknown"))])
    unknown = MODE.replace("pothole", "unknown")
    assert fleet.register.prototype_for(fleet.register.mode(unknown)) is None
    fleet.reports.insert([received(prototype((100, *[0] * 63)))])
    found = fleet.register.prototype_for(fleet.register.assign(unknown, "pothole"))
    assert found is not None
    assert found.class_name == "pothole"


def test_a_change_of_status_is_recorded_with_the_numbers_that_decided(fleet: Fleet) -> None:
    fleet.reported(OLD, misses=20, detected=10)
    campaign = fleet.in_campaign(OLD)
    fleet.reported(NEW, misses=4, detected=36)
    fleet.campaigns.set_state(campaign.id, CampaignState.FAILED, reason="no replay", ended=True)
    fleet.register.campaign_ended(fleet.campaigns.get(campaign.id))
    fleet.register.refresh()
    began, ended, closed = fleet.register.changes(MODE)
    assert began.reason == f"campaign {campaign.id} began, started by a test"
    assert ended.reason == f"campaign {campaign.id} ended as failed: no replay"
    assert "is above the target" in closed.reason
    assert "from 0.500 to 0.100 misdetections per track" in closed.reason
