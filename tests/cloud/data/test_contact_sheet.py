"""A contact sheet shows the same twenty images every time, every class among them."""

from pathlib import Path

import cv2
import numpy as np

from cloud.data.contact_sheet import choose, contact_sheet
from cloud.data.description import describe
from cloud.data.listing import ReadingOptions
from tests.support.trouble.data_folders import data_folder


def many(folder: Path) -> Path:
    labels = {f"a_{number:03d}.jpg": "0 0.5 0.5 0.5 0.5\n" for number in range(30)}
    return data_folder(folder, labels | {"z_1.jpg": "1 0.5 0.5 0.5 0.5\n", "brücke_2.jpg": ""})


def test_the_choice_is_fixed_and_has_every_class(tmp_path: Path) -> None:
    images = describe(many(tmp_path / "data"), ReadingOptions()).images
    chosen = choose(images)
    assert len(chosen) == 20
    assert chosen == choose(tuple(reversed(images)))
    assert {box.class_name for image in chosen for box in image.boxes} == {"fire", "smoke"}


def test_the_sheet_is_a_png_with_a_coloured_box_in_each_tile(tmp_path: Path) -> None:
    data = contact_sheet(describe(many(tmp_path / "data"), ReadingOptions()))
    assert data is not None
    sheet = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    assert sheet.shape == (4 * 268 + 6, 5 * 390 + 6, 3)
    assert data == contact_sheet(describe(tmp_path / "data", ReadingOptions()))


def test_a_damaged_image_is_not_on_the_sheet(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data", {"a_1.jpg": ""})
    (folder / "images" / "a_1.jpg").write_bytes(b"no image")
    assert contact_sheet(describe(folder, ReadingOptions())) is None
