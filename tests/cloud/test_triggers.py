"""Rules that start campaigns: a pure decision over evidence, history and the time."""

from typing import Any

import pytest

from cloud.failure_modes import find_failure_modes
from cloud.records import Campaign, CampaignPlan, CampaignState, MisdetectionRow, ModeState, ModeStatus
from cloud.settings import TriggerRule
from cloud.triggers import decide, started_by
from messaging.taxonomy import DEFAULT_TAXONOMY
from tests.cloud.test_failure_modes import row
from tests.cloud.words import MINUTE

NOW = MINUTE + 60
RULE = TriggerRule(name="nights", min_count=4, min_sites=2, window_hours=1.0, cool_down_hours=2.0)
MODE = "fire.night-clear.missed"


def rows(count: int = 6, sites: tuple[str, ...] = ("a", "b"), **changes: Any) -> list[MisdetectionRow]:
    return [row(site=sites[i % len(sites)], **changes) for i in range(count)]


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
    return [firing.modes for firing in decide([rule], modes, evidence, history, now_utc=NOW)]


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
def test_a_mode_that_is_being_mended_or_is_closed_is_left_alone(status: ModeStatus) -> None:
    assert fired(rows(), states=(ModeState(MODE, status, MINUTE),)) == []


def test_the_most_harmful_modes_go_first_and_no_more_than_the_rule_allows() -> None:
    evidence = rows() + rows(class_name="garbage")
    assert fired(evidence, max_modes=1) == [(MODE,)]
    assert fired(evidence) == [(MODE, "garbage.night-clear.missed")]
