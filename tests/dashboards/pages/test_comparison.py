"""Metrics before and after, regressions in red."""

from typing import Any

import pytest

from dashboards.pages import comparison
from messaging.resources import ComparisonResource
from tests.support.dashboards.markup import row, text


def cell(**changes: Any) -> ComparisonResource:
    fields: dict[str, Any] = {
        "campaign": "C", "incumbent_digest": "a" * 64, "candidate_digest": "b" * 64, "role": "holdout",
        "class_name": "fire", "condition": "day-clear", "before": {"recall": 0.5, "precision": 0.9},
        "after": {"recall": 0.6, "precision": 0.8, "truths": 1_084},
    }  # fmt: skip
    return ComparisonResource(**{**fields, **changes})


def test_a_cell_has_recall_and_precision_before_and_after() -> None:
    markup = comparison.markup((cell(),))
    assert row(markup, "holdout-fire-day-clear") == [
        "fire", "day, clear", "50 %", "60 % of 1,084", "+10", "90 %", "80 %"
    ]  # fmt: skip
    assert "model aaaaaaaa → bbbbbbbb" in markup


@pytest.mark.parametrize(
    ("before", "after", "change", "red"),
    [(0.34, 0.71, "+37", False), (0.88, 0.83, "−5", True), (0.5, 0.5, "+0", False), (None, 0.5, "–", False)],
)
def test_a_recall_that_fell_is_red(before: float | None, after: float, change: str, red: bool) -> None:
    one = cell(before={"recall": before}, after={"recall": after, "truths": 84})
    markup = comparison.markup((one,))
    assert row(markup, "holdout-fire-day-clear")[4] == change
    assert ("regression" in markup) is red
    assert ('class="worse"' in markup) is red


def test_the_holdout_comes_first_then_the_shadow_runs_each_with_its_heading() -> None:
    cells = (cell(role="shadow:north"), cell())
    shown = text(comparison.markup(cells))
    assert shown.index("the cloud's holdout") < shown.index("shadow run at north")


def test_the_total_of_a_class_comes_after_its_conditions() -> None:
    cells = (cell(condition="all"), cell(condition="night-rain"))
    markup = comparison.markup(cells)
    assert markup.index("holdout-fire-night-rain") < markup.index("holdout-fire-all")


def test_a_comparison_without_any_metric_is_an_empty_section() -> None:
    assert "No comparison yet." in comparison.markup((cell(before=None, after=None),))
