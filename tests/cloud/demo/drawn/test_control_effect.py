"""The effect of generated images: parent, control and candidate on the same boxes."""

from pathlib import Path

import pytest

from cloud.demo.drawn.control_effect import figures, main
from cloud.demo.drawn.truth import TrueMetrics
from cloud.demo.result import Score

TARGET, OTHER = ("garbage", "night-rain"), ("fire", "dusk-fog")


def metrics(target: int, other: int) -> TrueMetrics:
    return TrueMetrics({TARGET: Score(200, target, 9), OTHER: Score(50, other, 1)}, {})


def test_the_gain_is_divided_between_generated_images_and_further_training() -> None:
    found = {"parent": metrics(40, 30), "control": metrics(60, 30), "candidate": metrics(120, 25)}
    made = {one.name: one for one in figures(found, frozenset({TARGET}))}
    assert [made[f"target_recall_{kind}"].value for kind in found] == [20.0, 30.0, 60.0]
    assert made["gain_by_generated_images_points"].value == pytest.approx(30.0)
    assert made["gain_by_further_training_points"].value == pytest.approx(10.0)
    low, high = made["gain_by_generated_images_points"].interval or (0.0, 0.0)
    assert 15 < low < 30 < high < 45
    assert (made["recall_fire_dusk-fog_candidate"].value, made["recall_fire_dusk-fog_candidate"].n) == (
        50.0,
        50,
    )


def test_a_folder_without_a_finished_demo_is_one_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["--demo", str(tmp_path), "--out", str(tmp_path / "figures.json")]) == 1
    assert "holds no campaign that has trained; run `make demo` first" in caplog.text
    assert not (tmp_path / "figures.json").exists()
