"""Headers of image files: format, size in pixels, and whether the file reaches its own end. Bytes only.

A header is read before anything is decoded, because a file of a hundred bytes can claim a gigapixel, and
because a decoder may return half an image for half a file. JPEG (ITU T.81), PNG, BMP, WebP, GIF and TIFF.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_END_OF_IMAGE = 0xD9
_OTHER_FILES = (
    (b"version https://git-lfs", "a Git LFS pointer and not the file itself; run `git lfs pull`"),
    (b"<", "a web page or another text; download the file again"),
)
_TIFF_TYPES = {3: "H", 4: "I"}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_DATA = ((273, 279), (324, 325))


@dataclass(frozen=True)
class ImageHeader:
    """What an image file states about itself; `complete`: the end that its format prescribes is there."""

    format: str
    width: int
    height: int
    complete: bool


def read_header(data: bytes) -> ImageHeader | None:
    """The header of an image file; None for another format. Size 0 x 0 if the file ends before its size."""
    for matches, read in _READERS:
        if matches(data):
            try:
                return read(data)
            except (struct.error, IndexError):
                return ImageHeader("image", 0, 0, False)
    return None


def what_else(data: bytes) -> str | None:
    """What usually takes the place of an image or video by mistake, with a remedy; None if it is not that."""
    start = data.lstrip()
    return next((text for mark, text in _OTHER_FILES if start.startswith(mark)), None)


def _jpeg(data: bytes) -> ImageHeader:
    width = height = 0
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        marker, start = data[found.start() + 1], found.end()
        if marker == _END_OF_IMAGE:
            return ImageHeader("JPEG", width, height, True)
        position = start + struct.unpack_from(">H", data, start)[0]
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, start + 3)
    return ImageHeader("JPEG", width, height, False)


def _png(data: bytes) -> ImageHeader:
    width, height = struct.unpack_from(">II", data, 16)
    position, complete = 8, False
    while position + 12 <= len(data) and not complete:
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        complete = kind == b"IEND" and position <= len(data)
    return ImageHeader("PNG", width, height, complete)


def _bmp(data: bytes) -> ImageHeader:
    file_bytes, offset, header_bytes = struct.unpack_from("<I4xII", data, 2)
    if header_bytes < 16:
        width, height, _, bits, packing = *struct.unpack_from("<HHHH", data, 18), 0
    else:
        width, height, _, bits, packing = struct.unpack_from("<iiHHI", data, 18)
    width, height = abs(width), abs(height)
    rows_bytes = (width * bits + 31) // 32 * 4 * height
    return ImageHeader(
        "BMP", width, height, len(data) >= (file_bytes if packing not in (0, 3) else offset + rows_bytes)
    )


def _webp(data: bytes) -> ImageHeader:
    kind, complete = data[12:16], len(data) >= struct.unpack_from("<I", data, 4)[0] + 8
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return ImageHeader("WebP", width, height, complete and len(data) >= 30)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return ImageHeader("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, complete)
    width, height = struct.unpack_from("<HH", data, 26)
    return ImageHeader("WebP", width & 0x3FFF, height & 0x3FFF, complete)


def _gif(data: bytes) -> ImageHeader:
    width, height = struct.unpack_from("<HH", data, 6)
    return ImageHeader("GIF", width, height, data.rstrip(b"\0").endswith(b";"))


def _tiff(data: bytes) -> ImageHeader:
    order = "<" if data.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (entries,) = struct.unpack_from(f"{order}H", data, start)
    fields: dict[int, tuple[int, ...]] = {}
    for entry in range(entries):
        at = start + 2 + 12 * entry
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, at)
        if kind in _TIFF_TYPES and count <= len(data):
            layout = f"{order}{count}{_TIFF_TYPES[kind]}"
            inline = struct.calcsize(layout) <= 4
            place = at + 8 if inline else struct.unpack_from(f"{order}I", data, at + 8)[0]
            fields[tag] = struct.unpack_from(layout, data, place)
    (width,), (height,) = fields.get(_TIFF_WIDTH, (0,)), fields.get(_TIFF_HEIGHT, (0,))
    ends = [
        place + length
        for places, lengths in _TIFF_DATA
        for place, length in zip(fields.get(places, ()), fields.get(lengths, ()), strict=False)
    ]
    return ImageHeader("TIFF", width, height, bool(ends) and max(ends) <= len(data))


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], ImageHeader]], ...] = (
    (lambda data: data.startswith(b"\xff\xd8\xff"), _jpeg),
    (lambda data: data.startswith(_PNG_SIGNATURE), _png),
    (lambda data: data.startswith(b"BM"), _bmp),
    (lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _webp),
    (lambda data: data.startswith((b"GIF87a", b"GIF89a")), _gif),
    (lambda data: data.startswith((b"II*\0", b"MM\0*")), _tiff),
)
