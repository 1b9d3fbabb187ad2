"""Image files -> (h, w, 3) uint8 BGR; the only place where the product decodes images that it did not make.

The header is checked before anything is decoded: format, size in pixels, and that the file is whole. Grey,
palette and CMYK images become BGR, EXIF orientation is applied, an alpha channel is dropped (the colours stay
as they are stored). 16-bit images with a narrow range, as of thermal cameras, are stretched to 8 bit, and the
log states it once per folder. Whatever the file contains, the result is an image or `ImageRefused`.
"""

import logging
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import ImageRefused
from edge.vision.image_headers import read_header, what_else
from messaging.errors import FileFault
from messaging.runtime.text_files import read_bytes

Image = npt.NDArray[np.uint8]

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MAX_PIXELS = 120_000_000
MAX_FILE_BYTES = 512 * 2**20
_REMEDY = "remove it or save it again as an 8-bit JPEG or PNG"
_LEAST_LEVELS = 64
_stretched_folders: set[Path] = set()


def read_image(path: Path) -> Image:
    """The image in a file.

    Raises:
        ImageRefused: the file cannot be read, is cut off, too large, of another format, or damaged.
    """
    try:
        data = read_bytes(path, limit_bytes=MAX_FILE_BYTES)
    except FileFault as error:
        raise ImageRefused(f"image {error}") from None
    except MemoryError:
        raise ImageRefused(f"image {path} does not fit into memory; scale it down or remove it") from None
    pixels = decode_pixels(data, f"image {path}")
    if pixels.dtype == np.uint16 and path.parent not in _stretched_folders:
        _stretched_folders.add(path.parent)
        logger.warning(
            "image %s has 16 bits per channel; such images of this folder are reduced to 8 bit, each over "
            "its own range of values where that is narrow",
            path,
        )
    return to_8_bit(pixels)


def decode_image(data: bytes, origin: str) -> Image:
    """The image in the bytes of a file; `origin` names it. Raises `ImageRefused` as `read_image`."""
    return to_8_bit(decode_pixels(data, origin))


def to_8_bit(pixels: npt.NDArray[np.uint8 | np.uint16]) -> Image:
    """16-bit values as 8-bit ones; a narrow range (0.5 to 99.5 percent) is stretched over all grey levels.

    A range is narrow if fewer than 64 of the 256 levels would remain of it.
    """
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    low, high = np.percentile(pixels[:: max(1, len(pixels) // 512)], (0.5, 99.5))
    if not 0 < high - low < 257 * _LEAST_LEVELS:
        low, high = 0.0, 65535.0
    levels = np.clip(np.arange(65536.0) - low, 0, high - low) * (255.0 / (high - low))
    return np.asarray(np.rint(levels), np.uint8)[pixels]


def decode_pixels(data: bytes, origin: str) -> npt.NDArray[np.uint8 | np.uint16]:
    """The pixels (h, w, 3) BGR with the depth that they are stored in. Raises `ImageRefused`."""
    _check_header(data, origin)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except MemoryError:
        raise ImageRefused(f"{origin} does not fit into memory; scale it down or remove it") from None
    except cv2.error as error:
        raise ImageRefused(f"{origin} cannot be decoded ({error.err or error.code}); {_REMEDY}") from None
    if pixels is None or pixels.ndim != 3 or 0 in pixels.shape:
        raise ImageRefused(f"{origin} is damaged: it cannot be decoded; {_REMEDY}")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageRefused(f"{origin} holds {pixels.dtype} values, not 8 or 16 bit; {_REMEDY}")
    return np.asarray(pixels)


def _check_header(data: bytes, origin: str) -> None:
    if not data.strip(b"\0"):
        raise ImageRefused(f"{origin} is empty ({len(data)} bytes, all zero); remove it or copy it again")
    header = read_header(data)
    if header is None:
        formats = f"no JPEG, PNG, BMP, WebP, GIF or TIFF file (it begins with {data[:8].hex(' ')}); {_REMEDY}"
        what = what_else(data) or formats
        raise ImageRefused(f"{origin} is {what}")
    if header.width * header.height > MAX_PIXELS:
        raise ImageRefused(
            f"{origin} claims {header.width} x {header.height} pixels; at most {MAX_PIXELS // 10**6} million "
            "are read: scale it down or remove it"
        )
    if not header.complete:
        raise ImageRefused(
            f"{origin} is cut off: {len(data)} bytes without the end of the {header.format}; copy it again"
        )
    if not header.width or not header.height:
        raise ImageRefused(
            f"{origin} is a {header.format} of {header.width} x {header.height} pixels; remove it"
        )
