"""Figures of real photographs and films: counts and intervals, clips by the edge's own replay."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.errors import DataRefused
from cloud.starting_detector.photograph_figures import NIGHT_FIRE_FILM, clip_figures, photograph_figures
from cloud.starting_detector.photographs import VAL, read_photographs
from edge.vision.onnx_detector import OnnxDetector
from messaging.figures import Figure
from tests.cloud.starting_detector.test_photographs import data_set
from tests.support.edge.tiny_bundles import tiny_bundle

ROWS = (
    ("images/val/burning.jpg", "val", "cctvfire", "cctv_1", "night", "near"),
    ("images/val/dark.jpg", "val", "cctvfire", "cctv_2", "night", "near"),
    ("images/val/street.jpg", "val", "amsterdam", "ams_1", "night", "mid"),
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A detector that reports a red square of a 64 px image as fire."""
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_bundle())
    return path


def red_square(*, red: bool) -> np.ndarray:
    """A black image, with a red square where `red`."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:32, 16:32, 2] = 255 * red
    return image


def clip(path: Path, frames: list[bool]) -> None:
    """A film at 5 frames a second, red squares in the frames that are true."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5.0, (64, 64))
    for red in frames:
        writer.write(red_square(red=red))
    writer.release()


def named(figures: list[Figure], name: str) -> Figure:
    return next(figure for figure in figures if figure.name == name)


def test_rows_count_hits_misses_and_false_reports(tmp_path: Path, bundle: Path) -> None:
    data = data_set(tmp_path / "data", ROWS)
    for name, red in (("burning", True), ("dark", False), ("street", True)):
        cv2.imwrite(str(data / f"images/val/{name}.jpg"), red_square(red=red))
        (data / f"labels/val/{name}.txt").write_text("" if name == "street" else "0 0.375 0.375 0.25 0.25\n")
    figures = photograph_figures(OnnxDetector(bundle), read_photographs([data], VAL))
    recall, precision = named(figures, "fire_recall"), named(figures, "fire_precision")
    assert (recall.value, recall.n, recall.target, recall.holds) == (0.5, 2, ">= 0.4", True)
    assert (precision.value, precision.n, precision.target) == (0.5, 2, ">= 0.5")
    assert recall.interval is not None
    assert recall.interval[0] < 0.5 < recall.interval[1]
    assert named(figures, "cctvfire_fire_night-unknown_recall").value == 0.5
    assert named(figures, "amsterdam_fire_night-unknown_precision").value == 0.0


def test_a_row_without_photographs_is_not_measured_and_does_not_hold(tmp_path: Path, bundle: Path) -> None:
    figures = photograph_figures(
        OnnxDetector(bundle), read_photographs([data_set(tmp_path / "data", ROWS)], VAL)
    )
    row = named(figures, "street_rubbish_day_recall")
    assert (row.value, row.n, row.holds) == (None, 0, False)


def test_films_are_replayed_by_the_rules_of_a_node(tmp_path: Path, bundle: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    clip(clips / NIGHT_FIRE_FILM, [True, True, False, False])
    clip(clips / "intel_a.mp4", [False] * 20)
    film, alarms = clip_figures(bundle, clips)
    assert (film.name, film.value, film.n, film.holds) == ("fire_in_night_film", 0.5, 4, True)
    assert (alarms.value, alarms.n, alarms.holds) == (0.0, 4, True)
    clip(clips / "intel_b.mp4", [True] * 20)
    alarms = clip_figures(bundle, clips)[1]
    assert (alarms.value, alarms.n, alarms.holds) == (pytest.approx(450.0), 8, False)


def test_absent_clips_are_refused(tmp_path: Path, bundle: Path) -> None:
    with pytest.raises(DataRefused, match="was not replayed"):
        clip_figures(bundle, tmp_path)
    clip(tmp_path / NIGHT_FIRE_FILM, [True])
    with pytest.raises(DataRefused, match=r"holds no clip intel_\*\.mp4"):
        clip_figures(bundle, tmp_path)
