"""Models side by side: values with intervals, what is worse than the parent in red, sets apart."""

from typing import Any

import pytest

from dashboards.learning.side_by_side import regressions, set_markup, set_name, shadow_sets, summary
from dashboards.pages import comparison
from dashboards.scope import Scope
from messaging.api.evaluations import EvaluatedModel, EvaluationCell, EvaluationsResource, ModelScores
from tests.support.dashboards.markup import row, text

OLD, NEW = "a" * 64, "b" * 64


def found(*cells: EvaluationCell, **models: str) -> EvaluationsResource:
    given = models or {"first": OLD, "incumbent": OLD, "candidate": NEW, "best": NEW}
    return EvaluationsResource(
        campaign="C",
        models=tuple(
            EvaluatedModel(kind=kind, digest=digest, version=1 if digest == OLD else None, campaign="C")
            for kind, digest in given.items()
        ),
        cells=cells,
        notes=("a holdout has no duration",),
    )


def cell(name: str = "holdout", condition: str = "day-clear", **scores: dict[str, Any]) -> EvaluationCell:
    return EvaluationCell(
        set=name,
        class_name="fire",
        condition=condition,
        scores={kind: ModelScores(n=84, **given) for kind, given in scores.items()},
    )


def test_a_value_has_its_interval_and_the_change_to_the_parent() -> None:
    one = cell(
        incumbent={"recall": 0.5, "recall_interval": (0.4, 0.6), "ap50": 0.62},
        candidate={
            "recall": 0.7,
            "recall_interval": (0.61, 0.78),
            "ap50": 0.6,
            "ap50_interval": (0.52, 0.69),
            "ap50_95": 0.41,
            "ap50_95_interval": (0.35, 0.46),
        },
    )
    markup = set_markup(found(one), "holdout", Scope())
    assert row(markup, "holdout-fire-day-clear-recall") == [
        "fire day, clear 84 labelled hazards", "recall", "50 % 40–60", "70 % 61–78", "+20"
    ]  # fmt: skip
    assert row(markup, "holdout-fire-day-clear-ap50") == ["AP50", "62 %", "60 % 52–69", "−2"]
    assert row(markup, "holdout-fire-day-clear-ap50_95")[2] == "41 % 35–46"
    assert "the intervals do not overlap" in markup


def test_a_model_of_several_kinds_is_one_column() -> None:
    markup = set_markup(found(cell(candidate={"recall": 1.0}, incumbent={"recall": 1.0})), "holdout", Scope())
    headings = [text(part.split("</th>")[0]) for part in markup.split("<th ")[1:]]
    assert [heading.partition("> ")[2] for heading in headings][2:4] == [
        "first model, parent aaaaaaaa version 1", "best ever, candidate bbbbbbbb not released"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "before", "after", "worse"),
    [
        ("recall", 0.88, 0.83, True), ("recall", 0.5, 0.502, False), ("precision", 0.5, 0.4, True),
        ("ap50", 0.5, 0.6, False), ("false_positives", 3, 5, True), ("false_positives", 5, 3, False),
        ("false_alarms_per_camera_hour", 0.25, 0.5, True), ("false_alarms_per_camera_hour", 0.5, 0.2, False),
    ],
)  # fmt: skip
def test_what_is_worse_than_the_parent_is_red(measure: str, before: float, after: float, worse: bool) -> None:
    given = found(cell(incumbent={measure: before}, candidate={measure: after}))
    markup = set_markup(given, "holdout", Scope())
    assert ("regression" in markup) is worse
    assert regressions(given) == int(worse)
    assert ("1 measure worse than the parent" in summary(given)) is worse


def test_nothing_is_compared_with_a_parent_that_was_not_measured() -> None:
    given = found(cell(candidate={"recall": 0.5}))
    assert row(set_markup(given, "holdout", Scope()), "holdout-fire-day-clear-recall")[-1] == "–"
    assert regressions(given) == 0


def test_holdout_and_shadow_runs_are_apart() -> None:
    given = found(
        cell(
            "shadow:north",
            candidate={"false_alarms_per_camera_hour": 0.5, "false_alarms_interval": (0.1, 1.2)},
        ),
        cell(candidate={"recall": 0.5}),
    )
    assert shadow_sets(given) == ["shadow:north"]
    assert set_name("shadow:north") == "shadow run at north"
    holdout, shadow = set_markup(given, "holdout", Scope()), comparison.shadow_markup(given, Scope())
    assert "shadow-" not in holdout
    assert "holdout" not in shadow
    assert "0.50 0.10–1.20" in text(shadow)
    assert "false alarms per camera-hour, estimated" in text(shadow)
    short = text(comparison.short_markup(given, Scope()))
    assert short.index("the cloud's holdout") < short.index("shadow run at north")


def test_the_total_of_a_class_comes_after_its_conditions() -> None:
    given = found(cell(condition="all", candidate={"recall": 1.0}), cell(candidate={"recall": 1.0}))
    markup = set_markup(given, "holdout", Scope())
    assert markup.index("fire-day-clear") < markup.index("fire-all")


def test_a_campaign_without_an_evaluation_says_what_fills_the_page() -> None:
    for markup in (
        set_markup(found(), "holdout", Scope()), summary(found()), comparison.short_markup(found(), Scope())
    ):  # fmt: skip
        assert "The evaluate and shadow stages of a campaign fill this" in text(markup)
    assert "No site has run the candidate" in comparison.shadow_markup(found(), Scope())
