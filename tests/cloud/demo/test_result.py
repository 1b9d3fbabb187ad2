"""The demo's figures: every figure is listed, and each holds only by its value."""

from dataclasses import replace

import pytest

from cloud.demo.result import DemoResult, figures_of
from tests.support.cloud.demo_results import RESULT, UNMEASURED

NAMES = {
    "demo_minutes",
    "target_recall_gain_points",
    "worst_other_recall_change_points",
    "worst_precision_change_points",
    "worst_photograph_recall_change_points",
    "estimated_vs_true_recall_points",
    "uplink_to_footage",
    "peak_memory_gb",
    "edge_node_resident_mb",
    "first_frame_s",
    "frames_lost_in_swap",
    "false_alarms_on_empty_patches_per_100",
}


def _value(name: str, result: DemoResult) -> float | None:
    return next(figure.value for figure in figures_of(result) if figure.name == name)


def test_every_figure_is_listed_and_an_unmeasured_one_does_not_hold() -> None:
    figures = {figure.name: figure for figure in figures_of(RESULT)}
    assert set(figures) == NAMES
    assert figures["peak_memory_gb"].value is None
    assert figures["peak_memory_gb"].holds is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_recall_gain_points", 30.0),
        ("worst_other_recall_change_points", -4.0),
        ("worst_photograph_recall_change_points", -5.0),
        ("estimated_vs_true_recall_points", 4.0),
        ("uplink_to_footage", 0.0001),
    ],
)
def test_a_figure_is_computed_from_the_rows(name: str, value: float) -> None:
    assert _value(name, RESULT) == pytest.approx(value)


def test_the_time_is_held_against_the_minutes_that_were_announced() -> None:
    figures = {figure.name: figure for figure in figures_of(replace(RESULT, longest_minutes=10.0))}
    assert figures["demo_minutes"].target == "<= 10"
    assert figures["demo_minutes"].holds is False


def test_rounds_are_a_figure_only_when_there_were_several() -> None:
    shown = {f.name for f in figures_of(replace(RESULT, measured=replace(UNMEASURED, rounds_ok=3)))}
    assert shown - NAMES == {"rounds_ok"}
