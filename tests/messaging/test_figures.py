"""Figures: whether a target holds is computed, never passed in."""

import datetime
import json
from pathlib import Path

import pytest

from messaging.figures import Figure, read_figures, write_figures


@pytest.mark.parametrize(
    ("value", "target", "holds"),
    [
        (11.9, "<= 12", True),
        (12.1, "<= 12", False),
        (20.0, ">= 20", True),
        (0.0, "= 0", True),
        (1.0, "= 0", False),
        (None, ">= 3", False),
        (5.0, None, None),
    ],
)
def test_a_target_holds_by_its_value(value: float | None, target: str | None, holds: bool | None) -> None:
    assert Figure("f", value, "points", target).holds is holds


def test_the_file_names_machine_date_command_and_each_figure(tmp_path: Path) -> None:
    path = tmp_path / "figures" / "demo.json"
    figures = [Figure("demo_minutes", 9.5, "min", "<= 12"), Figure("unmeasured", None, "MB", "<= 1")]
    write_figures(path, figures, command="make demo", now=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC))
    document = json.loads(path.read_text())
    assert document["date"] == "2026-01-02"
    assert document["command"] == "make demo"
    assert "cores" in document["machine"]
    assert [f["holds"] for f in document["figures"]] == [True, False]
    assert document["figures"][1]["value"] is None
    found = read_figures(path)
    assert (found.figures, found.command) == (tuple(figures), "make demo")


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure("f", 9.0, "min", "<= 12"), "holds"),
        (Figure("f", 13.0, "min", "<= 12"), "does not hold"),
        (Figure("f", 13.0, "min", "<= 12", not_expected="too little time"), "not expected: too little time"),
        (Figure("f", 13.0, "min"), ""),
    ],
)
def test_a_figure_that_was_not_expected_has_not_failed(figure: Figure, text: str) -> None:
    assert figure.holds_text == text
    if figure.not_expected:
        assert figure.holds is None
