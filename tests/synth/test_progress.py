"""Progress of a run on disk: appended lines, torn lines, thumbnails."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from synth.progress import PROGRESS_FILE, Progress, append_progress, read_progress, write_thumbnail


def progress(kept: int) -> Progress:
    return Progress(
        order="potholes", asked=10, images_judged=12, kept=kept, refused={"duplicate": 2},
        patches_generated=40, patch_budget=100, seconds_left=3.5,
    )  # fmt: skip


def test_the_last_line_is_read(tmp_path: Path) -> None:
    assert read_progress(tmp_path) is None
    append_progress(tmp_path, progress(1))
    append_progress(tmp_path, progress(2))
    assert read_progress(tmp_path) == progress(2)


def test_a_truncated_line_is_skipped_and_does_not_damage_the_next_one(tmp_path: Path) -> None:
    append_progress(tmp_path, progress(1))
    with (tmp_path / PROGRESS_FILE).open("ab") as file:
        file.write(b'{"order": "pot')
    assert read_progress(tmp_path) == progress(1)
    append_progress(tmp_path, progress(2))
    assert read_progress(tmp_path) == progress(2)
    assert len((tmp_path / PROGRESS_FILE).read_text().splitlines()) == 3


def test_a_line_of_another_version_is_skipped(tmp_path: Path) -> None:
    append_progress(tmp_path, progress(1))
    with (tmp_path / PROGRESS_FILE).open("a") as file:
        file.write('{"order": "potholes", "unknown": 1}\n')
    assert read_progress(tmp_path) == progress(1)


@pytest.mark.parametrize(
    ("size", "expected"), [((640, 360), (160, 90)), ((360, 640), (90, 160)), ((4000, 4), (160, 1))]
)
def test_a_thumbnail_has_160_px_on_its_longer_side(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    write_thumbnail(tmp_path, "one", np.zeros((size[1], size[0], 3), np.uint8), [])
    image = cv2.imread(str(tmp_path / "thumbnails" / "one.jpg"))
    assert image is not None
    assert (image.shape[1], image.shape[0]) == expected


def test_boxes_are_drawn_into_the_thumbnail(tmp_path: Path) -> None:
    write_thumbnail(tmp_path, "one", np.zeros((360, 640, 3), np.uint8), [(160.0, 80.0, 480.0, 280.0)])
    image = cv2.imread(str(tmp_path / "thumbnails" / "one.jpg"))
    assert image is not None
    assert image[18:21, 80].max() > 100
    assert image[45, 80].max() < 30
