"""Photographs for the shipped detectors: by split, source, licence and scene; unknown sources are refused."""

from pathlib import Path

import numpy as np
import pytest
from cv2 import imwrite

from cloud.errors import DataRefused
from cloud.starting_detector.photographs import SOURCES, TRAIN, VAL, read_photographs

HEAD = "file,split,source,scene,condition,range"
ROWS = (
    ("images/train/a.jpg", "train", "trash", "trash_1", "day", "near"),
    ("images/train/b.jpg", "train", "amsterdam", "ams_001", "night", "mid"),
    ("images/train/c.jpg", "train", "furg", "furg_house6", "day", "far"),
    ("images/train/d.jpg", "train", "intel", "intel_1", "dark", "none"),
    ("images/val/e.jpg", "val", "dnit", "road", "day", "far"),
)


def data_set(folder: Path, rows: tuple[tuple[str, ...], ...] = ROWS, classes: str = "fire, garbage") -> Path:
    """A data set in the layout of the photographs; all but those of intel have a box of the first class."""
    for name, _, source, *_ in rows:
        image = folder / name
        labels = folder / name.replace("images", "labels").replace(".jpg", ".txt")
        for made in (image.parent, labels.parent):
            made.mkdir(parents=True, exist_ok=True)
        imwrite(str(image), np.full((180, 320, 3), 128, np.uint8))
        labels.write_text("" if source == "intel" else "0 0.5 0.5 0.2 0.2\n")
    (folder / "data.yaml").write_text(f"names: [{classes}]\n")
    (folder / "index.csv").write_text("\n".join([HEAD, *(",".join(row) for row in rows)]) + "\n")
    return folder


def test_a_split_is_read_with_boxes_and_conditions(tmp_path: Path) -> None:
    found = read_photographs([data_set(tmp_path)], TRAIN)
    assert [(p.path.name, p.source, len(p.boxes), p.file.condition.key) for p in found] == [
        ("a.jpg", "trash", 1, "day-unknown"),
        ("b.jpg", "amsterdam", 1, "night-unknown"),
        ("c.jpg", "furg", 1, "day-unknown"),
        ("d.jpg", "intel", 0, "unknown-unknown"),
    ]
    assert [p.path.name for p in read_photographs([tmp_path], VAL)] == ["e.jpg"]


def test_only_certain_leaves_out_what_an_uploader_declares(tmp_path: Path) -> None:
    found = read_photographs([data_set(tmp_path)], TRAIN, only_certain=True)
    assert [p.source for p in found] == ["amsterdam", "intel"]
    assert all(SOURCES[p.source].certain for p in found)


def test_a_source_in_two_sets_is_taken_from_the_last(tmp_path: Path) -> None:
    twice = [data_set(tmp_path / "one", ROWS[2:3]), data_set(tmp_path / "two", ROWS[2:3])]
    assert [p.path.parents[2].name for p in read_photographs(twice, TRAIN)] == ["two"]


def test_photographs_with_a_class_of_no_detector_are_left_out(tmp_path: Path) -> None:
    found = read_photographs([data_set(tmp_path, classes="flood, garbage")], TRAIN)
    assert [p.source for p in found] == ["intel"]


def test_scenes_for_thresholds_are_whole_and_never_learned_from(tmp_path: Path) -> None:
    rows = tuple(
        (f"images/train/{n}.jpg", "train", "potseg", f"scene{n // 2}", "day", "near") for n in range(80)
    )
    photographs = read_photographs([data_set(tmp_path, rows)], TRAIN)
    kept = {p.scene for p in photographs if p.for_thresholds}
    assert 0 < len(kept) < 20
    assert not kept & {p.scene for p in photographs if not p.for_thresholds}


def test_a_source_without_a_known_licence_is_refused(tmp_path: Path) -> None:
    rows = (("images/train/a.jpg", "train", "somebody", "s", "day", "near"),)
    with pytest.raises(DataRefused, match=r"names the source 'somebody', whose licence is not known"):
        read_photographs([data_set(tmp_path, rows)], TRAIN)


@pytest.mark.parametrize("missing", ["data.yaml", "index.csv"])
def test_a_folder_of_another_layout_is_refused(tmp_path: Path, missing: str) -> None:
    (data_set(tmp_path) / missing).unlink()
    with pytest.raises(
        DataRefused, match=r"is not the hazards data set .* it needs data\.yaml and index\.csv"
    ):
        read_photographs([tmp_path], TRAIN)
