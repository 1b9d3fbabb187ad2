"""Image files of every kind become BGR uint8 images or one sentence, and nothing is allocated on a claim."""

import io
import logging
import resource
import struct
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from edge.errors import ImageRefused
from edge.vision import image_files
from edge.vision.image_files import decode_image, read_image, to_8_bit
from tests.support.trouble import odd_images
from tests.support.trouble.odd_images import encoded, street

FORMATS = (".jpg", ".png", ".bmp", ".webp", ".gif", ".tiff")


def by_pillow(mode: str, kind: str, **how: object) -> bytes:
    """The street written by another program, in a colour mode of Pillow."""
    file = io.BytesIO()
    PIL.Image.fromarray(street()[..., ::-1]).convert(mode).save(file, kind, **how)
    return file.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(ImageRefused) as caught:
        decode_image(data, "image a.png")
    return str(caught.value)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_decoded_to_bgr(suffix: str) -> None:
    image = decode_image(encoded(street(), suffix), "image")
    assert (image.shape, image.dtype) == ((96, 160, 3), np.uint8)
    assert np.abs(image.astype(int) - street()).mean() < 15


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.99])
def test_half_a_file_is_refused_in_every_format(suffix: str, fraction: float) -> None:
    whole = encoded(street(), suffix)
    assert "is cut off" in refusal(whole[: int(len(whole) * fraction)])


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_file_whose_second_half_was_allocated_and_not_written_is_cut_off(suffix: str) -> None:
    whole = encoded(street(), suffix)
    half = len(whole) // 2
    assert "is cut off" in refusal(whole[:half] + b"\0" * half)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (odd_images.gigapixel_png(), "40000 x 40000"),
        (odd_images.huge_jpeg(), "65000 x 65000"),
        (odd_images.huge_webp(), "16777216 x 16777216"),
        (odd_images.huge_tiff(), "100000 x 100000"),
    ],
)
def test_a_size_beyond_the_limit_is_refused_before_anything_is_decoded(data: bytes, size: str) -> None:
    assert len(data) < 10_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(data) == (
        f"image a.png claims {size} pixels; at most 120 million are read: scale it down or remove it"
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty (0 bytes, all zero); remove it or copy it again"),
        (b"\0" * 4096, "is empty (4096 bytes, all zero); remove it or copy it again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
            "is a Git LFS pointer and not the file itself; run `git lfs pull`",
        ),
        (b"\n<!DOCTYPE html><p>404", "is a web page or another text; download the file again"),
        (
            b"\0\0\0\x18ftypheic",
            "is no JPEG, PNG, BMP, WebP, GIF or TIFF file (it begins with 00 00 00 18 66 74 79 70); "
            "remove it or save it again as an 8-bit JPEG or PNG",
        ),
        (b"\xff\xd8\xff\xd9", "is a JPEG of 0 x 0 pixels; remove it"),
        (encoded(street().astype(np.float32), ".tiff"), "holds float32 values, not 8 or 16 bit"),
    ],
)
def test_what_is_no_image_is_one_sentence_with_a_remedy(data: bytes, sentence: str) -> None:
    assert sentence in refusal(data)


def test_damage_inside_a_whole_file_is_refused() -> None:
    data = bytearray(encoded(street()))
    data[60:90] = b"\xa5" * 30
    assert "is damaged: it cannot be decoded" in refusal(bytes(data))


@pytest.mark.parametrize("error", [cv2.error("assertion failed"), MemoryError()])
def test_no_error_of_the_decoder_leaves_the_module(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(image_files.cv2, "imdecode", fail)
    assert refusal(encoded(street())).startswith("image a.png ")


def test_a_folder_an_absent_file_and_a_long_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImageRefused, match="is not a regular file; name a file"):
        read_image(tmp_path)
    with pytest.raises(ImageRefused, match=r"image .*absent.png cannot be read \(No such file"):
        read_image(tmp_path / "absent.png")
    (tmp_path / "long.png").write_bytes(encoded(street()))
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 100)
    with pytest.raises(ImageRefused, match="longer than 100 bytes"):
        read_image(tmp_path / "long.png")


def test_a_narrow_16_bit_range_is_stretched_and_said_once_per_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for name in ("thermal_0001.png", "thermal_0002.png", "thermal_0003.tiff"):
        (tmp_path / name).write_bytes(encoded(odd_images.thermal(), Path(name).suffix))
        image = read_image(tmp_path / name)
        assert len(np.unique(image)) > 40, "three grey levels would be left without stretching"
    assert len(caplog.records) == 1
    assert "thermal_0001.png has 16 bits per channel" in caplog.text


def test_a_16_bit_image_that_uses_its_range_keeps_its_brightness() -> None:
    bright = np.full((20, 30, 3), 50_000, np.uint16)
    bright[:10] = 10_000
    assert to_8_bit(bright)[:, 0, 0].tolist() == [39] * 10 + [195] * 10
    assert to_8_bit(np.full((4, 4, 3), 25_700, np.uint16)).max() == 100, (
        "a flat image has no range to stretch"
    )


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_orientation_of_a_phone_is_applied(orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[274] = orientation
    turned = {1: street(), 3: street()[::-1, ::-1], 6: np.rot90(street(), -1), 8: np.rot90(street())}
    image = decode_image(by_pillow("RGB", "jpeg", exif=exif, quality=95), "image")
    assert image.shape == turned[orientation].shape
    assert np.abs(image.astype(int) - turned[orientation]).mean() < 8


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "jpeg"), ("L", "jpeg"), ("LA", "png"), ("RGBA", "png"), ("P", "png"), ("1", "png")],
)
def test_other_colour_modes_become_bgr(mode: str, kind: str) -> None:
    image = decode_image(by_pillow(mode, kind), "image")
    assert (image.shape, image.dtype) == ((96, 160, 3), np.uint8)
    if mode in {"CMYK", "RGBA"}:
        assert np.abs(image.astype(int) - street()).mean() < 8


def test_colours_behind_a_transparent_part_are_taken_as_stored() -> None:
    clear = cv2.cvtColor(street(), cv2.COLOR_BGR2BGRA)
    clear[:48, :, 3] = 0
    assert np.array_equal(decode_image(encoded(clear), "image"), street())


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2000, 1), (1, 2000)])
def test_images_of_one_pixel_high_or_wide_are_images(width: int, height: int) -> None:
    assert decode_image(encoded(np.full((height, width, 3), 90, np.uint8)), "image").shape == (
        height,
        width,
        3,
    )


def test_bitmaps_of_other_headers_are_read() -> None:
    upside_down = bytearray(encoded(street(), ".bmp"))
    struct.pack_into("<i", upside_down, 22, -96)
    assert np.array_equal(decode_image(bytes(upside_down), "image"), street()[::-1])
