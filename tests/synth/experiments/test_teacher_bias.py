"""Estimated recall stays that of all frames though the teacher prefers uncertain ones."""

import json
from pathlib import Path

import pytest

from synth.experiments import teacher_bias
from synth.experiments.teacher_bias import Estimates, Hour, figures_of, simulated_camera


def test_with_every_frame_the_estimate_is_the_truth_and_weights_change_nothing() -> None:
    frames, truth = simulated_camera(3, 400.0)
    every = Estimates.of(frames, 0, 0.0)
    assert every.weighted == every.unweighted == pytest.approx(truth, abs=0.03)
    assert 0.2 < truth < 0.8


def test_the_target_is_for_the_absolute_bias() -> None:
    bias, *signed = figures_of([Hour(-1.5, -3.0, 2.0, 10, 0.1), Hour(-0.5, -2.0, 2.0, 20, None)])
    assert (bias.name, bias.value, bias.n, bias.holds) == ("witness_bias_points", 1.0, 30, True)
    assert bias.interval is not None
    assert bias.interval[0] == 0.0 < 1.0 < bias.interval[1]
    values = {figure.name: (figure.value, figure.n) for figure in signed}
    assert values["changed_by_weights_points"] == (1.5, 2)
    assert values["all_frames_points"] == (0.1, 1)
    worse = figures_of([Hour(-3.0, -3.0, 2.0, 10, None), Hour(-3.1, -2.0, 2.0, 20, None)])[0]
    assert worse.interval is not None
    assert 0 < worse.interval[0] < 3.05 < worse.interval[1]
    assert worse.holds is False


def test_the_command_writes_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = [Hour.of(seed, seconds=300.0, whole=seed == 0) for seed in range(2)]
    monkeypatch.setattr(Hour, "of", lambda seed, whole: hours[0 if whole else 1])
    assert teacher_bias.main(["--out", str(tmp_path / "witness.json")]) == 0
    written = json.loads((tmp_path / "witness.json").read_text())
    assert written["command"] == "make teacher-bias"
    assert written["figures"][0]["name"] == "witness_bias_points"
    assert written["figures"][0]["n"] == 2 * hours[0].tracks + 22 * hours[1].tracks


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_estimated_recall_is_unbiased_and_would_not_be_without_the_weights() -> None:
    """`witness_bias_points`: at most 1 point; the same samples without weights are off by more."""
    bias, _, _, changed, _, _ = figures_of([Hour.of(seed) for seed in range(4)])
    assert (bias.n or 0) > 1200
    assert bias.holds
    assert (changed.value or 0.0) >= 0.7
