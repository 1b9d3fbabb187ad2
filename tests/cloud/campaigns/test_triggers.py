"""Rules that start campaigns: a pure decision over evidence, history and the time; and in a running cloud."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud.api.client import RemoteCloud
from cloud.campaigns.stage import StageResult
from cloud.campaigns.triggers import decide, started_by
from cloud.failure_modes.rules import find_failure_modes
from cloud.settings import CloudSettings, TriggerRule
from cloud.store.records import Campaign, CampaignPlan, CampaignState, ModeState, ModeStatus
from cloud.store.report_records import MisdetectionRow
from messaging.resources import CampaignResource
from messaging.runtime.configuration_files import parse_settings
from messaging.taxonomy import DEFAULT_TAXONOMY
from tests.support.cloud.mode_rows import misdetection_row
from tests.support.cloud.running_cloud import running_cloud
from tests.support.cloud.sample_reports import MINUTE, misdetection
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.cloud.trigger_decisions import CountedDecisions
from tests.support.waiting import wait_until

NOW = MINUTE + 60
RULE = TriggerRule(name="nights", min_count=4, min_sites=2, window_hours=1.0, cool_down_hours=2.0)
MODE = "fire.night-clear.missed"


def rows(count: int = 6, sites: tuple[str, ...] = ("a", "b"), **changes: Any) -> list[MisdetectionRow]:
    return [misdetection_row(site=sites[i % len(sites)], **changes) for i in range(count)]


def past(*, ago_h: float, ended_ago_h: float | None = None, by: str = started_by(RULE)) -> Campaign:
    ended = None if ended_ago_h is None else int(NOW - ended_ago_h * 3600)
    created = int(NOW - ago_h * 3600)
    state = CampaignState.RUNNING if ended is None else CampaignState.DONE
    return Campaign("C", state, CampaignPlan((MODE,), 1), by, "", 1, created, created, ended)


def fired(
    evidence: list[MisdetectionRow],
    history: tuple[Campaign, ...] = (),
    states: tuple[ModeState, ...] = (),
    **changes: Any,
) -> list[tuple[str, ...]]:
    modes = find_failure_modes(
        evidence,
        {},
        taxonomy=DEFAULT_TAXONOMY,
        in_service=frozenset(),
        states={state.mode: state for state in states},
    )
    rule = RULE.model_copy(update=changes)
    firings = decide([rule], modes, evidence, history, classes=DEFAULT_TAXONOMY.names, now_utc=NOW)
    return [firing.modes for firing in firings]


@pytest.mark.parametrize(
    ("why", "evidence", "changes", "expected"),
    [
        ("enough evidence from enough sites", rows(), {}, [(MODE,)]),
        ("too little evidence", rows(3), {}, []),
        ("one site only", rows(sites=("a",)), {}, []),
        ("evidence before the window", rows(minute_utc=MINUTE - 7200), {}, []),
        ("another class than the rule's", rows(), {"classes": ("smoke",)}, []),
        ("a class of the rule", rows(), {"classes": ("fire",)}, [(MODE,)]),
        ("evidence of unknown class", rows(class_name="unknown"), {}, []),
        ("a budget of nothing", rows(), {"monthly_budget": 0}, []),
    ],
)
def test_a_rule_fires_only_on_enough_evidence(
    why: str, evidence: list[MisdetectionRow], changes: dict[str, Any], expected: list[tuple[str, ...]]
) -> None:
    assert fired(evidence, **changes) == expected, why


@pytest.mark.parametrize(
    ("why", "history", "fires"),
    [
        ("it never ran", (), True),
        ("its last campaign still runs", (past(ago_h=9),), False),
        ("it cools down from the end of the last one", (past(ago_h=9, ended_ago_h=1),), False),
        ("it has cooled down", (past(ago_h=9, ended_ago_h=3),), True),
        ("another rule's campaign", (past(ago_h=1, by="rule:other"),), True),
        ("the monthly budget is spent", tuple(past(ago_h=30, ended_ago_h=29) for _ in range(4)), False),
        (
            "last month's campaigns do not count",
            tuple(past(ago_h=800, ended_ago_h=799) for _ in range(4)),
            True,
        ),
    ],
)
def test_a_rule_keeps_its_cool_down_and_its_budget(
    why: str, history: tuple[Campaign, ...], fires: bool
) -> None:
    assert bool(fired(rows(), history)) is fires, why


@pytest.mark.parametrize("status", [ModeStatus.IN_CAMPAIGN, ModeStatus.WAITING, ModeStatus.CLOSED])
def test_a_mode_that_is_in_campaign_waiting_or_closed_starts_no_campaign(status: ModeStatus) -> None:
    assert fired(rows(), states=(ModeState(MODE, status, MINUTE),)) == []


def test_the_most_harmful_modes_come_first_and_no_more_than_the_rule_allows() -> None:
    evidence = rows() + rows(class_name="garbage")
    assert fired(evidence, max_modes=1) == [(MODE,)]
    assert fired(evidence) == [(MODE, "garbage.night-clear.missed")]


YAML = """
data: {folder}
api: {{port: 0}}
failure_modes: {{refresh_s: 0.1, window_days: 36500}}
retention: {{evidence_days: 36500, shadow_days: 36500, hazards_days: 36500}}
triggers:
  - name: potholes
    classes: [pothole]
    min_count: 3
    window_hours: 1000000
    cool_down_hours: 0
    needs_approval: {needs_approval}
    monthly_budget: {budget}
"""
POTHOLES = "pothole.night-rain.missed"


@contextmanager
def cloud_with_rule(folder: Path, *, needs_approval: bool, budget: int) -> Iterator[RemoteCloud]:
    """A running cloud whose rule comes from YAML; every campaign is rejected, so its mode is open again."""
    text = YAML.format(folder=folder, needs_approval=str(needs_approval).lower(), budget=budget)
    settings = parse_settings(CloudSettings, text, origin="cloud.yaml", environment={})
    stages = ScriptedStages(trial=lambda work: StageResult(stop="not for trial"))
    with running_cloud(settings, lambda _: stages, sites=("harbour",)) as cloud:
        wait_until(lambda: cloud.sites)
        cloud.report("harbour", *(misdetection() for _ in range(3)))
        with cloud.client() as client:
            yield client


def states(client: RemoteCloud) -> list[str]:
    return [campaign.state for campaign in client.page("campaigns", CampaignResource)]


def test_a_rule_in_yaml_starts_a_campaign_that_waits_for_approval(tmp_path: Path) -> None:
    with cloud_with_rule(tmp_path, needs_approval=True, budget=1) as client:
        wait_until(lambda: states(client) == ["awaiting_approval"])
        (campaign,) = client.page("campaigns", CampaignResource)
        assert (campaign.started_by, campaign.modes) == ("rule:potholes", (POTHOLES,))
        assert {stage.state for stage in campaign.stages} == {"pending"}
        client.send("POST", f"campaigns/{campaign.id}/approve", CampaignResource)
        wait_until(lambda: states(client) == ["rejected"])


@pytest.mark.parametrize("budget", [1, 2])
def test_a_rule_in_yaml_starts_no_campaign_beyond_its_budget(
    tmp_path: Path, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions = CountedDecisions(monkeypatch)
    with cloud_with_rule(tmp_path, needs_approval=False, budget=budget) as client:
        wait_until(lambda: states(client) == ["rejected"] * budget)
        decisions.wait_for_more()
        assert states(client) == ["rejected"] * budget
