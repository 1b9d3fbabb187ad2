"""Whether a file reaches its own end, for every format that a recorder writes, at every length of it."""

import struct
from pathlib import Path

import pytest

from edge.camera.container_ends import FileEnd, file_end
from tests.support.trouble.odd_images import encoded, street
from tests.support.trouble.odd_videos import index_first, plain_video

IMAGES = (".jpg", ".png", ".bmp", ".webp", ".tiff")


def end_of(folder: Path, data: bytes) -> FileEnd:
    path = folder / "file"
    path.write_bytes(data)
    return file_end(path)


def files(folder: Path) -> dict[str, bytes]:
    """Whole files by format."""
    videos = {
        "mp4": plain_video(folder / "a.mp4"),
        "mp4, index first": index_first(plain_video(folder / "b.mp4")),
        "avi": plain_video(folder / "a.avi"),
        "mov": plain_video(folder / "a.mov"),
        "mkv": plain_video(folder / "a.mkv"),
    }
    whole = {name: path.read_bytes() for name, path in videos.items()}
    return whole | {
        suffix: encoded(street(), suffix) for suffix in (".jpg", ".png", ".bmp", ".webp", ".tiff")
    }


@pytest.mark.parametrize(
    "name", ["mp4", "mp4, index first", "avi", "mov", "mkv", ".jpg", ".png", ".bmp", ".webp", ".tiff"]
)
def test_a_whole_file_has_its_end_and_no_part_of_it_has(tmp_path: Path, name: str) -> None:
    data = files(tmp_path)[name]
    assert end_of(tmp_path, data) is FileEnd.PRESENT
    for length in (0, 100, *(len(data) * tenth // 10 for tenth in range(1, 10)), len(data) - 1):
        assert end_of(tmp_path, data[:length]) is FileEnd.ABSENT, length


@pytest.mark.parametrize("name", ["mp4", "avi", ".jpg", ".png"])
def test_a_file_that_was_allocated_before_it_is_written_has_no_end(tmp_path: Path, name: str) -> None:
    data = files(tmp_path)[name]
    half = len(data) // 2
    assert end_of(tmp_path, b"\0" * len(data)) is FileEnd.ABSENT
    if name != "avi":  # its size is in the header, so that zeros cannot be told from frames
        assert end_of(tmp_path, data[:half] + b"\0" * (len(data) - half)) is not FileEnd.PRESENT


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (box(b"ftyp") + box(b"moov") + box(b"moof") + box(b"mdat"), FileEnd.UNKNOWN),
        (box(b"ftyp") + box(b"moov") + box(b"moof") + box(b"mdat") + box(b"mfra"), FileEnd.PRESENT),
        (box(b"ftyp") + box(b"mdat") + b"\0\0\0\0mdat" + b"x" * 50, FileEnd.ABSENT),
        (box(b"ftyp") + box(b"moov") + b"\0\0\0\0mdat" + b"x" * 50, FileEnd.UNKNOWN),
        (box(b"ftyp") + struct.pack(">I4sQ", 1, b"mdat", 24) + b"x" * 8 + box(b"moov"), FileEnd.PRESENT),
        (box(b"ftyp") + struct.pack(">I4sQ", 1, b"mdat", 2**40), FileEnd.ABSENT),
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"x" * 99, FileEnd.UNKNOWN),
        (b"G" + b"\0" * 187 + b"G" + b"\0" * 187, FileEnd.UNKNOWN),
        (b"whatever", FileEnd.UNKNOWN),
    ],
    ids=[
        "fragments", "fragments with index", "open data, no index", "open data after the index",
        "64-bit size", "64-bit size beyond the file", "stream of unknown length", "transport stream", "text",
    ],
)  # fmt: skip
def test_structures_are_read_as_their_formats_define_them(tmp_path: Path, data: bytes, end: FileEnd) -> None:
    assert end_of(tmp_path, data) is end
