"""Groups of generated images whose hazards have nearly the same perceptual hash. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint8]
_WORDS = 256
"""Hashes that are compared with all others at once, so that memory stays small."""


def near_duplicates(hashes: Mapping[int, Sequence[bytes]], *, bits: int) -> list[list[int]]:
    """Groups of two images or more, linked by hashes that differ in at most `bits`; largest first.

    `hashes` are those of the hazards of each image, all of one length. An image that links two others brings
    them into one group.
    """
    owners = np.asarray([image for image, every in hashes.items() for _ in every])
    if len(owners) < 2:
        return []
    packed = np.frombuffer(b"".join(one for every in hashes.values() for one in every), np.uint8)
    table = packed.reshape(len(owners), -1)
    parent = {int(image): int(image) for image in hashes}
    for first in range(0, len(table), _WORDS):
        part = table[first : first + _WORDS]
        distances = _distances(part, table)
        for row, other in zip(*np.nonzero(distances <= bits), strict=True):
            _join(parent, int(owners[first + row]), int(owners[other]))
    groups: dict[int, list[int]] = {}
    for image in sorted(parent):
        groups.setdefault(_root(parent, image), []).append(image)
    return sorted((group for group in groups.values() if len(group) > 1), key=lambda g: (-len(g), g))


def _distances(part: Bits, table: Bits) -> npt.NDArray[np.int64]:
    """Differing bits of each pair of rows, (len(part), len(table))."""
    counts = np.zeros((len(part), len(table)), np.int64)
    for column in range(table.shape[1]):
        counts += np.bitwise_count(part[:, column, None] ^ table[None, :, column])
    return counts


def _root(parent: dict[int, int], image: int) -> int:
    while parent[image] != image:
        parent[image] = parent[parent[image]]
        image = parent[image]
    return image


def _join(parent: dict[int, int], one: int, other: int) -> None:
    first, second = sorted((_root(parent, one), _root(parent, other)))
    parent[second] = first
