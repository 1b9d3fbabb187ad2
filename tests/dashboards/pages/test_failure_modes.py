"""The ranked failure modes: evidence, estimated recall, status."""

import pytest

from dashboards.pages import failure_modes
from tests.support.dashboards.sections import failure_mode, recall, row, snapshot

NAME = "mode-fire.night-rain.missed"


def test_a_mode_has_its_evidence_by_source_and_its_recall_with_interval() -> None:
    markup = failure_modes.section(snapshot(modes=(failure_mode(),)))
    assert row(markup, NAME) == [
        "fire missed (night, rain) 1 camera", "open", "12.3", "1,234", "teacher 30, motion 2",
        "34 % (25–44 %) of 92 tracks",
    ]  # fmt: skip


@pytest.mark.parametrize(("low", "tone"), [(0.51, "good"), (0.5, "bad"), (0.2, "bad")])
def test_the_target_is_reached_only_by_the_lower_bound(low: float, tone: str) -> None:
    mode = failure_mode(recall=recall(60, 90, (low, 0.9)), target=0.5)
    markup = failure_modes.section(snapshot(modes=(mode,)))
    assert f'class="interval {tone}"' in markup
    assert 'class="target" style="left:50.0%" title="target 50 %"' in markup


def test_a_mode_without_supported_tracks_has_no_bar() -> None:
    markup = failure_modes.section(snapshot(modes=(failure_mode(recall=recall(0, 0, (0.0, 1.0))),)))
    assert row(markup, NAME)[-1] == "no supported track yet"
    assert "interval" not in markup


def test_an_assigned_class_replaces_the_reported_one_and_a_suggestion_is_shown() -> None:
    unknown = failure_mode(class_name="unknown", suggested_class="fallen_person", cameras=("a", "b"))
    assert row(failure_modes.section(snapshot(modes=(unknown,))), NAME)[0] == (
        "unknown missed (night, rain) probably fallen person · 2 cameras"
    )
    assigned = unknown.model_copy(update={"assigned_class": "smoke"})
    assert row(failure_modes.section(snapshot(modes=(assigned,))), NAME)[0].startswith("smoke missed")


def test_only_the_most_harmful_modes_are_shown_and_the_number_of_all_is_stated() -> None:
    modes = tuple(failure_mode(id=f"m{n}") for n in range(20))
    markup = failure_modes.section(snapshot(modes=modes))
    assert markup.count("data-row=") == failure_modes.MODES_SHOWN
    assert "the 12 most harmful of 20, ranked by harm" in markup
