"""The tables of a demo's result on the terminal."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from cloud.demo.result import DemoResult, Images, figures_of
from cloud.demo.tables import show
from tests.support.cloud.demo_results import RESULT


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
        "bonfire fire 41 3 → 40",
        "target_recall_gain_points 30 points >= 20 holds",
    ],
    ids=["estimated and true recall", "bytes by message type", "images", "stages", "clips", "figures"],
)
def test_the_terminal_shows_what_the_report_shows(shown: str) -> None:
    assert shown in _shown(RESULT)


def test_the_terminal_marks_unknown_values() -> None:
    bare = replace(RESULT, rows=(), stages_s={}, images=Images(0, 0, {}), notes=("No [truth].",))
    shown = _shown(replace(bare, sites=(replace(RESULT.sites[0], footage_bytes=0),)))
    assert "Recall of tracks" not in shown
    assert "Before → after" not in shown, "no model was put in service"
    assert "north all 2 1000 (footage: size unknown)" in shown
    assert "refused: none. Time of each stage: none was reached. No [truth]." in shown
