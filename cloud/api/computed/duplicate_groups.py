"""Near duplicates of each campaign, computed once and kept for every list and page that shows them.

All hazards of a campaign are compared with each other: 2 s of processor time for 5,000 images. While images
arrive, the groups are computed again in a tenth of the time at most, so that a list is never slow because of
them; it then misses the newest images.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cloud.api.computed.near_duplicates import near_duplicates
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import SyntheticImage

DUPLICATE_BITS = 24
MAX_COMPARED = 5000
_MAX_KEPT = 32
_PAUSE = 9
"""So many times as long as the last computation took, the groups are given as they are."""


@dataclass(frozen=True)
class DuplicateGroups:
    """Groups of image ids, largest first, among the `compared` images that have a perceptual hash."""

    compared: int
    groups: tuple[tuple[int, ...], ...]
    of: Mapping[int, tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", {image: group for group in self.groups for image in group})

    @property
    def images(self) -> tuple[int, ...]:
        """All images of the groups, group after group."""
        return tuple(self.of)

    def others(self, image: int) -> tuple[int, ...]:
        """The near duplicates of an image."""
        return tuple(one for one in self.of.get(image, ()) if one != image)


@dataclass(frozen=True)
class _Kept:
    kept_images: int
    again_at: float
    found: DuplicateGroups


class KnownDuplicates:
    """The groups of the campaigns that were last asked for; for several threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, int], _Kept] = {}

    def of(self, rows: CampaignStore, campaign: str, bits: int = DUPLICATE_BITS) -> DuplicateGroups:
        """Near duplicates among the first kept images of a campaign; hashes differ in at most `bits`."""
        number = sum(n for (kept, _), n in rows.image_counts(campaign).items() if kept)
        with self._lock:
            known = self._kept.get((campaign, bits))
            if known is not None and (known.kept_images == number or self._monotonic() < known.again_at):
                return known.found
            begun = self._monotonic()
            found = _groups(rows.images(campaign, kept=True, limit=MAX_COMPARED), bits)
            now = self._monotonic()
            self._kept.pop((campaign, bits), None)
            self._kept[campaign, bits] = _Kept(number, now + _PAUSE * (now - begun), found)
            while len(self._kept) > _MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            return found


def _groups(images: Sequence[SyntheticImage], bits: int) -> DuplicateGroups:
    hashes = {
        image.id: [
            bytes.fromhex(one["fingerprint"])
            for one in image.provenance.get("hazards", ())
            if "fingerprint" in one
        ]
        for image in images
    }
    known = {image: found for image, found in hashes.items() if found}
    return DuplicateGroups(len(known), tuple(tuple(group) for group in near_duplicates(known, bits=bits)))
