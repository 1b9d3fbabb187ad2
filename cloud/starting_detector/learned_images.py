"""The images that a shipped detector learned from, as a list of sha256 digests beside its weights.

Detector, teacher and judge must not share training images, or one would confirm what another was taught. A
drawn scene is listed by its file, a photograph by the file that its copies were made from.
"""

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from cloud.errors import DataRefused
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.text_files import read_text


def learned_list(weights: Path) -> Path:
    """Where the digests for a weights file are."""
    return weights.with_suffix(".learned.txt")


def image_digests(images: Iterable[Path]) -> frozenset[str]:
    """sha256 hex of image files."""
    return frozenset(hashlib.sha256(image.read_bytes()).hexdigest() for image in images)


def write_digests(path: Path, digests: frozenset[str]) -> None:
    """Write a list, one digest a line, sorted."""
    write_atomically(path, "".join(f"{digest}\n" for digest in sorted(digests)).encode())


def read_digests(path: Path) -> frozenset[str]:
    """The digests of a list. Raises `FileFault` when it cannot be read."""
    return frozenset(read_text(path).split())


def was_learned(image: Path, weights: Path) -> bool:
    """Whether the detector of a weights file learned from an image."""
    return image_digests([image]) <= read_digests(learned_list(weights))


def require_disjoint(lists: Sequence[Path]) -> None:
    """Raise `DataRefused` if two of these lists have an image in common."""
    for one, other in itertools.combinations(lists, 2):
        common = read_digests(one) & read_digests(other)
        if common:
            raise DataRefused(
                f"{one} and {other} have {len(common)} images in common; detectors that judge one another "
                "must not learn from the same image"
            )
