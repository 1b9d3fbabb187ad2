"""The demo's figures and the report: every figure is listed, and each holds only by its value."""

import io
import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from cloud.demo.outcome import rounds_in_a_row
from cloud.demo.report import write_report
from cloud.demo.result import DemoResult, Images, Measured, Row, Score, SiteBytes, figures_of
from cloud.demo.script import PROFILES, DemoProfile, FootagePhase
from cloud.demo.tables import show
from messaging.resources import CampaignResource, StageResource

NAMES = {
    "demo_minutes",
    "target_recall_gain_points",
    "worst_other_recall_change_points",
    "worst_precision_change_points",
    "estimated_vs_true_recall_points",
    "uplink_to_footage",
    "peak_memory_gb",
    "edge_node_resident_mb",
    "first_frame_s",
    "frames_lost_in_swap",
    "false_alarms_on_painted_empty_per_100",
}
UNMEASURED = Measured(11.0, None, None, None, None)
RESULT = DemoResult(
    rows=(
        Row("garbage", "night-rain", True, Score(100, 30, 2), Score(100, 60, 4), 0.65, 0.61, 40),
        Row("fire", "day-fog", False, Score(50, 40, 1), Score(50, 38, 1)),
    ),
    sites=(SiteBytes("north", {"hazard": 900, "heartbeat": 100}, {"hazard": 2}, 10_000_000),),
    images=Images(100, 80, {"no_difference": 5}),
    stages_s={"train": 90.0},
    measured=UNMEASURED,
)


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
        ("estimated_vs_true_recall_points", 4.0),
        ("uplink_to_footage", 0.0001),
    ],
)
def test_a_figure_is_computed_from_the_rows(name: str, value: float) -> None:
    assert _value(name, RESULT) == pytest.approx(value)


def test_rounds_are_a_figure_only_when_there_were_several() -> None:
    shown = {f.name for f in figures_of(replace(RESULT, measured=replace(UNMEASURED, rounds_ok=3)))}
    assert shown - NAMES == {"rounds_ok"}


def _campaign(state: str, **status: str) -> CampaignResource:
    metrics = {mode: {"status": word} for mode, word in status.items()} | {"seconds": 90.0}
    stages = (StageResource(stage="verify", state="done", metrics=metrics),)
    return CampaignResource(
        id="c",
        state=state,
        reason="",
        started_by="demo",
        modes=tuple(status),
        count=1,
        seed=1,
        attempt=1,
        incumbent_digest=None,
        candidate_digest=None,
        created_at=0,
        updated_at=0,
        ended_at=0,
        stages=stages,
        images_kept=0,
        images_refused={},
    )


@pytest.mark.parametrize(
    ("campaigns", "rounds"),
    [
        ([("done", "fire"), ("done", "garbage"), ("done", "smoke")], 3),
        ([("done", "fire"), ("done", "fire"), ("done", "smoke")], 1),
        ([("done", "fire"), ("rejected", "garbage"), ("done", "smoke"), ("done", "pothole")], 2),
        ([("rejected", "fire")], 0),
    ],
    ids=["each another", "the same again", "one in between did not", "none"],
)
def test_rounds_count_in_a_row_each_with_another_mode(campaigns: list[tuple[str, str]], rounds: int) -> None:
    assert rounds_in_a_row(_campaign(state, **{mode: "closed"}) for state, mode in campaigns) == rounds


def test_a_round_whose_mode_is_waiting_does_not_count() -> None:
    assert rounds_in_a_row([_campaign("done", fire="waiting")]) == 0


def test_the_report_is_self_contained_and_marks_targets_that_do_not_hold(tmp_path: Path) -> None:
    page = write_report(RESULT, tmp_path).read_text()
    assert "does not hold" in page
    assert "garbage" in page
    assert "http" not in page
    assert json.loads((tmp_path / "report.json").read_text())["images"]["kept"] == 80


def _shown(result: DemoResult) -> str:
    """The terminal output at the end, without table borders and line breaks."""
    console = Console(file=io.StringIO(), width=120, record=True)
    show(result, figures_of(result), console)
    return " ".join(console.export_text().replace("│", " ").split())


@pytest.mark.parametrize(
    "shown",
    [
        "garbage night-rain 65 % 40 61 %",
        "north hazard 2 900 north heartbeat 0 100 north all 2 1000 of 10000000 of footage",
        "Synthetic images: ordered 100, kept 80, refused: no_difference 5.",
        "Time of each stage: train 90 s.",
        "target_recall_gain_points 30 points >= 20 yes",
    ],
    ids=["estimated and true recall", "bytes by message type", "images", "stages", "figures"],
)
def test_the_terminal_shows_what_the_report_shows(shown: str) -> None:
    assert shown in _shown(RESULT)


def test_the_terminal_marks_unknown_values() -> None:
    bare = replace(RESULT, rows=(), stages_s={}, images=Images(0, 0, {}), notes=("No [truth].",))
    shown = _shown(replace(bare, sites=(replace(RESULT.sites[0], footage_bytes=0),)))
    assert "Recall of tracks" not in shown
    assert "north all 2 1000 (footage: size unknown)" in shown
    assert "refused: none. Time of each stage: none was reached. No [truth]." in shown


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_no_frame_is_in_two_phases_of_any_round(profile: DemoProfile) -> None:
    spans = [
        (profile.start_of(phase, n), profile.start_of(phase, n) + 50 * profile.segments[phase])
        for n in range(3)
        for phase in FootagePhase
    ]
    ordered = sorted(spans)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(ordered))
