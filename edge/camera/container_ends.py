"""Whether a video or image file reaches its own end, from its outer structure; nothing is decoded.

MP4 and MOV are read box by box (ISO/IEC 14496-12), AVI by its RIFF chunks, Matroska and WebM by the size of
their segment, images by `edge.vision.image_headers`. Transport streams have no end that could be recognised.
"""

import struct
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from edge.vision.image_files import MAX_FILE_BYTES
from edge.vision.image_headers import read_header

_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"uuid", b"pnot"})
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"


class FileEnd(StrEnum):
    """The end that a format prescribes is there, is not there, or the format has none."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


def file_end(path: Path) -> FileEnd:
    """Read the structure of a file. Raises `OSError`."""
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(32)
        if not head.strip(b"\0"):
            return FileEnd.ABSENT
        if head[4:8] in _BOXES:
            return _boxes(file, length)
        if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
            return _chunks(file, length)
        if head.startswith(_EBML):
            return _segment(file, length)
        if length > MAX_FILE_BYTES or read_header(head) is None:
            return FileEnd.UNKNOWN
        file.seek(0)
        header = read_header(file.read())
    return FileEnd.PRESENT if header is not None and header.complete else FileEnd.ABSENT


def _boxes(file: BinaryIO, length: int) -> FileEnd:
    """All boxes whole and an index among them; a file of fragments ends with their own index (mfra)."""
    kinds: set[bytes] = set()
    position = 0
    while position < length:
        file.seek(position)
        head = file.read(16)
        if len(head) < 8:
            return FileEnd.ABSENT
        size, kind = struct.unpack_from(">I4s", head)
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
        kinds.add(kind)
        if size == 0:
            return FileEnd.UNKNOWN if b"moov" in kinds else FileEnd.ABSENT
        if size < 8:
            return FileEnd.UNKNOWN
        position += size
    if position > length or b"moov" not in kinds:
        return FileEnd.ABSENT
    return FileEnd.UNKNOWN if b"moof" in kinds and b"mfra" not in kinds else FileEnd.PRESENT


def _chunks(file: BinaryIO, length: int) -> FileEnd:
    """One RIFF chunk, or several of a long recording; the writer sets their sizes at the end."""
    position = 0
    while position < length:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or not head.startswith(b"RIFF"):
            return FileEnd.PRESENT if position else FileEnd.ABSENT
        (size,) = struct.unpack_from("<I", head, 4)
        if size == 0 or position + 8 + size > length:
            return FileEnd.ABSENT
        position += 8 + size + size % 2
    return FileEnd.PRESENT


def _segment(file: BinaryIO, length: int) -> FileEnd:
    """The segment with its size; a recorder that was not stopped properly leaves the size unknown."""
    file.seek(4)
    header_bytes = _variable_size(file)
    if header_bytes is None:
        return FileEnd.UNKNOWN
    file.seek(header_bytes, 1)
    if file.read(4) != _SEGMENT:
        return FileEnd.ABSENT
    size = _variable_size(file)
    if size is None:
        return FileEnd.UNKNOWN
    return FileEnd.PRESENT if file.tell() + size <= length else FileEnd.ABSENT


def _variable_size(file: BinaryIO) -> int | None:
    """An EBML size of one to eight bytes; None if it is the one for unknown, or the file ends in it."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & ((1 << (7 - more)) - 1)]) + file.read(more), "big")
    return None if value == (1 << 7 * (more + 1)) - 1 else value
