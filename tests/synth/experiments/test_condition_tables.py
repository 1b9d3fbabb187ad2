"""Fitting the tables of light and weather: a separable set is learnt, the printed module is the table."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.vision.condition_tables import LinearTable
from synth.experiments import condition_tables
from synth.experiments.condition_tables import (
    CONDITIONS,
    check,
    fit,
    fit_softmax,
    photographs,
    through_mp4,
    weights,
    written,
)
from synth.street import WorldName


def test_a_separable_set_is_learnt_and_the_printed_table_is_the_same() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    rows = np.eye(3)[labels] * 4.0 + rng.normal(size=(120, 3))
    table = fit_softmax(rows, labels, np.ones(120), ("a", "b", "c"))
    scores = (rows - table.centre) / table.spread @ np.asarray(table.weights).T + table.offset
    assert np.mean(scores.argmax(axis=1) == labels) > 0.95
    read = eval(written(table), {"LinearTable": LinearTable})  # noqa: S307  # text that the test made
    assert read.tags == table.tags
    np.testing.assert_allclose(read.weights, table.weights, rtol=1e-4)
    np.testing.assert_allclose(read.centre, table.centre, rtol=1e-4)


def test_every_condition_weighs_the_same_and_dusk_less() -> None:
    keys = ["day-clear"] * 3 + ["night-rain"] + ["dusk-fog"]
    weight = weights(keys, 0.5, photos=2, photo_fraction=0.2)
    assert weight[:3].sum() == pytest.approx(weight[3]) == pytest.approx(2 * weight[4])
    assert weight[5:].sum() == pytest.approx(0.2)


def test_a_frame_of_a_video_keeps_its_size_and_about_its_colours() -> None:
    frame = np.full((64, 96, 3), (40, 90, 160), np.uint8)
    frames = through_mp4([frame] * 3)
    assert [f.shape for f in frames] == [frame.shape] * 3
    np.testing.assert_allclose(frames[-1].mean(axis=(0, 1)), (40, 90, 160), atol=6)


def test_photographs_of_the_train_split_by_day_from_certain_sources_are_read(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((8, 8, 3), 7, np.uint8))
    rows = [
        ("a.png", "train", "dfire", "day"),
        ("b.png", "test", "dfire", "day"),
        ("c.png", "train", "unknown", "day"),
        ("d.png", "train", "dfire", "night"),
    ]
    with (tmp_path / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "split", "source", "condition"), *rows])
    found = list(photographs(tmp_path))
    assert [source for source, _ in found] == ["dfire"]
    assert (found[0][1] == 7).all()


def test_the_fitted_module_names_all_tags_and_keeps_the_head_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(condition_tables, "STREETS", 1)
    monkeypatch.setattr(condition_tables, "WORLDS", (WorldName.BASE,))
    text = fit(None)
    head = Path("edge/vision/condition_tables.py").read_text().split("LIGHT_TABLE =")[0]
    assert text.startswith(head)
    module: dict[str, LinearTable] = {}
    exec(text, module)  # noqa: S102  # text that the test made
    assert module["LIGHT_TABLE"].tags == ("day", "dusk", "night")
    assert module["WEATHER_TABLE"].tags == ("clear", "rain", "fog", "snow")


def test_the_check_prints_a_line_for_every_condition(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(condition_tables, "CONDITIONS", CONDITIONS[:2])
    check(WorldName.FOOTAGE, seeds=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == list(CONDITIONS[:2])
    assert float(lines[0].split("light ")[1].split()[0]) > 0.5
