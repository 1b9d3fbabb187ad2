"""Videos as recorders, phones and cut transfers leave them, made from a plain MP4 by changing its boxes."""

import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tests.support.trouble.odd_images import street

_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def plain_video(path: Path, frames: int = 12, fps: float = 10.0, size: tuple[int, int] = (64, 48)) -> Path:
    """A video (MP4, or by the suffix AVI with Motion JPEG) in which a block moves over a street."""
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size)
    for number in range(frames):
        image = street(*size, seed=7)
        cv2.rectangle(image, (2 * number, 20), (2 * number + 12, 34), (0, 0, 200), -1)
        writer.write(image)
    writer.release()
    return path


def with_times(path: Path, steps_s: Sequence[float]) -> Path:
    """Give an MP4 of `len(steps_s)` frames other times: the seconds from each frame to the next."""
    data = path.read_bytes()
    (timescale,) = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)
    rows = b"".join(struct.pack(">II", 1, round(step * timescale)) for step in steps_s)
    body = b"stts" + struct.pack(">II", 0, len(steps_s)) + rows
    box = struct.pack(">I", len(body) + 4) + body
    path.write_bytes(_replaced(data.replace(b"edts", b"free"), b"stts", box))
    return path


def rotated(path: Path) -> Path:
    """Mark an MP4 as turned by 90 degrees, as phones do."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    struct.pack_into(">9i", data, matrix, 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(bytes(data))
    return path


def damaged_in_the_middle(path: Path) -> Path:
    """Overwrite the middle fifth of the frames' data with noise."""
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    fifth = (end - start) // 5
    data[start + 2 * fifth : start + 3 * fifth] = np.random.default_rng(0).bytes(fifth)
    path.write_bytes(bytes(data))
    return path


def index_first(path: Path) -> Path:
    """Move the index of an MP4 to its front, so that its tail can be cut off."""
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    moov, rest = bytearray(data[at:]), data[:at]
    place = moov.index(b"stco")
    (count,) = struct.unpack_from(">I", moov, place + 8)
    for row in range(count):
        (offset,) = struct.unpack_from(">I", moov, place + 12 + 4 * row)
        struct.pack_into(">I", moov, place + 12 + 4 * row, offset + len(moov))
    (first,) = struct.unpack_from(">I", rest)
    path.write_bytes(rest[:first] + bytes(moov) + rest[first:])
    return path


def _replaced(data: bytes, kind: bytes, box: bytes) -> bytes:
    """An MP4 whose index is at its end with one box of it replaced."""
    changed = bytearray(data)
    at = data.index(kind) - 4
    (length,) = struct.unpack_from(">I", data, at)
    for parent in _PARENTS:
        place = data.index(parent) - 4
        struct.pack_into(">I", changed, place, struct.unpack_from(">I", data, place)[0] + len(box) - length)
    changed[at : at + length] = box
    return bytes(changed)
