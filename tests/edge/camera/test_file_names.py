"""What names say: order, time, and whether a program is still writing."""

from pathlib import Path

import pytest

from edge.camera.file_names import is_unfinished, name_time_s, natural_key

NOON = 1_769_860_800.0  # 2026-01-31 12:00:00 UTC


@pytest.mark.parametrize(
    "names",
    [
        ["frame1.png", "frame2.png", "frame10.png"],
        ["cam_9_2.jpg", "cam_10_1.jpg", "cam_10_02.jpg", "cam_10_11.jpg"],
        ["2.png", "10.png", "a.png"],
        ["IMG_9.JPG", "img_10.jpg"],
        ["a.png", "a1.png", "a1b.png", "a2.png"],
        ["x\u0662.png", "x\u0661\u0660.png"][::-1],
    ],
)
def test_numbers_in_names_count_as_numbers(names: list[str]) -> None:
    assert [p.name for p in sorted(map(Path, names[::-1]), key=natural_key)] == names


def test_names_that_differ_in_case_or_zeros_only_have_one_order() -> None:
    names = [Path(name) for name in ("a01.png", "A1.png", "a1.png", "A01.png")]
    assert sorted(names, key=natural_key) == sorted(set(names), key=natural_key)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("cam_20260131_120000.jpg", NOON),
        ("cam-2026-01-31T12-00-00.jpg", NOON),
        ("2026-01-31 12.00.00.png", NOON),
        ("20260131120000250.jpg", NOON + 0.25),
        ("gate_20260131_120000.500_motion.jpg", NOON + 0.5),
        ("1769860800.jpg", NOON),
        ("1769860800.125.jpg", NOON + 0.125),
        ("cam_1769860800125.jpg", NOON + 0.125),
        ("frame_0001.jpg", None),
        ("cam_20261331_120000.jpg", None),
        ("cam_20260131_250000.jpg", None),
        ("cam_20260131_120000_to_20260131_130000.jpg", None),
        ("cam_20260131.jpg", None),
        ("0001_1769860800.jpg", None),
        ("123456789012345678901234567890.jpg", None),
        ("street.jpg", None),
    ],
)
def test_a_time_is_read_from_a_name_only_where_it_is_clear(name: str, seconds: float | None) -> None:
    assert name_time_s(Path(name)) == seconds


@pytest.mark.parametrize(
    ("name", "unfinished"),
    [
        (".clip.mp4", True),
        ("._clip.mp4", True),
        ("~clip.mp4", True),
        ("clip.part.mp4", True),
        ("clip.mp4.tmp", True),
        ("clip.TMP.mp4", True),
        ("clip.mp4", False),
        ("part.mp4", False),
        ("clip.1.mp4", False),
    ],
)
def test_names_under_which_programs_write_are_known(name: str, unfinished: bool) -> None:
    assert is_unfinished(Path(name)) is unfinished
