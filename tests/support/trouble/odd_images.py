"""Odd and damaged image files, as bytes: what cameras, converters and cut transfers leave behind."""

import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


def street(width: int = 160, height: int = 96, seed: int = 1) -> Image:
    """A plain drawn street with one orange block."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), (190, 170, 150), np.int16)
    image[height // 2 :] = 80
    image += rng.integers(-12, 12, image.shape, np.int16)
    drawn = np.clip(image, 0, 255).astype(np.uint8)
    corner = (width // 3, height // 2)
    cv2.rectangle(drawn, corner, (corner[0] + width // 8, corner[1] + height // 4), (20, 120, 250), -1)
    return drawn


def encoded(image: npt.NDArray[np.uint8 | np.uint16 | np.float32], suffix: str = ".png") -> bytes:
    """The file of an image."""
    return cv2.imencode(suffix, image)[1].tobytes()


def gigapixel_png(side: int = 40_000) -> bytes:
    """A PNG of less than 100 bytes whose header claims `side` x `side` pixels of one bit."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (side // 8 + 1))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def huge_jpeg() -> bytes:
    """A small JPEG whose header claims 65,000 x 65,000 pixels."""
    data = bytearray(encoded(street(), ".jpg"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    return bytes(data)


def huge_webp() -> bytes:
    """A WebP whose canvas claims 16,777,216 x 16,777,216 pixels."""
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0" * 4 + b"\xff" * 6
    return b"RIFF" + struct.pack("<I", len(body)) + body


def huge_tiff() -> bytes:
    """A TIFF of one short strip whose fields claim 100,000 x 100,000 pixels."""
    fields = [(256, 100_000), (257, 100_000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (279, 8)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    return b"II*\0" + struct.pack("<I", 16) + b"\0" * 8 + struct.pack("<H", len(fields)) + entries + b"\0" * 4


def thermal(seed: int = 3) -> npt.NDArray[np.uint16]:
    """A 16-bit thermal image with values of 7,000 to 9,040."""
    grey = cv2.cvtColor(street(seed=seed), cv2.COLOR_BGR2GRAY)
    return np.asarray(7000 + grey.astype(np.uint16) * 8, np.uint16)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
