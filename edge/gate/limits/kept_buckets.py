"""Token buckets whose levels are on disk before they are spent, so that no restart fills one.

The file states for each bucket a level that the true one is never below: a charge that would go below it
writes the file first, with a hundredth of the bucket to spare, so that most charges need no write. After a
crash what was to spare counts as spent; a regular stop writes the true levels. Buckets fill by the time of
their charges, which never goes back, also not across restarts: a clock that is set forward fills them once.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from messaging.errors import FileFault
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.start_checks import FUTURE_LIMIT_S
from messaging.runtime.state_files import StateFile

logger = logging.getLogger(__name__)

LEVELS_FILE = "bucket_levels.json"
SPARE = 0.01
_DAY_S = 86_400.0
_Key = tuple[str, str]


class CountLimit(BaseModel):
    """Reports of one kind that may leave: `at_once` after a rest, and `per_day` in the long run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_once: int = Field(ge=1, le=1_000_000)
    per_day: int = Field(ge=1, le=1_000_000)


class KeptLevel(BaseModel):
    """What a bucket held at least, at a time in seconds since 1970."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    kind: str
    camera: str
    level: float
    at_utc: int


class KeptLevels(BaseModel):
    """The whole file. A bucket that it does not list was never charged.

    Such a bucket is full, or began empty at `empty_since_utc` where an earlier file was lost.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    empty_since_utc: int | None = None
    buckets: tuple[KeptLevel, ...] = ()


@dataclass
class _Bucket:
    level: float
    at_utc: int

    def fill(self, limit: CountLimit, at_utc: int) -> None:
        passed_s = max(0, at_utc - self.at_utc)
        self.level = min(limit.at_once, self.level + passed_s * limit.per_day / _DAY_S)
        self.at_utc += passed_s


class KeptBuckets:
    """The buckets of one site, each of a kind and a camera. For one thread."""

    def __init__(
        self,
        limits: Mapping[str, CountLimit],
        kept: KeptLevels | None = None,
        keep: Callable[[KeptLevels], None] = lambda levels: None,
    ) -> None:
        """Args: the limit of each kind, what an earlier run kept (None: nothing), and what writes it."""
        kept = kept or KeptLevels()
        self._limits, self._keep = limits, keep
        self._empty_since_utc = kept.empty_since_utc
        self._buckets = {
            (one.kind, one.camera): _Bucket(one.level, one.at_utc)
            for one in kept.buckets
            if one.kind in limits
        }
        self._on_disk = {key: replace(bucket) for key, bucket in self._buckets.items()}

    def has(self, kind: str, camera: str, cost: int, at_utc: int) -> bool:
        """Whether a bucket allows a charge at a time; a full one allows a charge of any size."""
        return self._bucket((kind, camera), at_utc).level >= min(cost, self._limits[kind].at_once)

    def charge(self, kind: str, costs: Mapping[str, int], at_utc: int) -> None:
        """Take tokens from the buckets of some cameras, below zero if need be.

        Raises `OSError` when the disk does not take the levels: nothing is charged, and nothing may leave.
        """
        after: dict[_Key, _Bucket] = {}
        for camera, cost in costs.items():
            bucket = self._bucket((kind, camera), at_utc)
            after[kind, camera] = _Bucket(bucket.level - cost, bucket.at_utc)
        if not all(self._is_covered(key, bucket) for key, bucket in after.items()):
            charged = {key: self._buckets[key] for key in self._on_disk}
            self._write({**charged, **after}, spare=SPARE)
        self._buckets.update(after)

    def close(self) -> None:
        """Write the true levels, at a regular stop. Raises `OSError`; then what was to spare is lost."""
        self._write({key: self._buckets[key] for key in self._on_disk}, spare=0.0)

    def _bucket(self, key: _Key, at_utc: int) -> _Bucket:
        limit = self._limits[key[0]]
        if key not in self._buckets:
            empty_since = self._empty_since_utc
            full = _Bucket(limit.at_once, at_utc)
            self._buckets[key] = full if empty_since is None else _Bucket(0.0, empty_since)
        bucket = self._buckets[key]
        bucket.fill(limit, at_utc)
        return bucket

    def _is_covered(self, key: _Key, after: _Bucket) -> bool:
        """Whether a restart would find no more in the bucket than there is after a charge."""
        on_disk = self._on_disk.get(key)
        if on_disk is None:
            return False
        on_disk.fill(self._limits[key[0]], after.at_utc)
        return on_disk.level <= after.level

    def _write(self, levels: Mapping[_Key, _Bucket], *, spare: float) -> None:
        lower = {
            key: _Bucket(bucket.level - math.ceil(spare * self._limits[key[0]].at_once), bucket.at_utc)
            for key, bucket in levels.items()
        }
        listed = tuple(
            KeptLevel(kind=kind, camera=camera, level=bucket.level, at_utc=bucket.at_utc)
            for (kind, camera), bucket in sorted(lower.items())
        )
        self._keep(KeptLevels(empty_since_utc=self._empty_since_utc, buckets=listed))
        self._on_disk = lower


def open_buckets(folder: Path, limits: Mapping[str, CountLimit], *, new: bool, now_utc: int) -> KeptBuckets:
    """The buckets of a gate, with the levels in its folder. `new`: nothing has left this site yet.

    Without a file those of a new site begin full, all others empty, as they do when the file is damaged; one
    sentence in the log states it.
    """
    file = StateFile(folder / LEVELS_FILE, KeptLevels)
    try:
        kept = file.read()
        lost = None if kept or new else f"{file.path} is missing"
    except FileFault as fault:
        kept, lost = None, str(fault).partition("; ")[0]
    if lost is not None:
        logger.warning("%s, so what may leave at once counts as spent: the count caps begin empty", lost)
    if kept is None:
        kept = KeptLevels(empty_since_utc=None if lost is None else now_utc)
        try:
            file.write(kept)
        except OSError as error:
            logger.warning("the levels of the count caps are written later: %s", os_error_sentence(error))
    ahead_s = max((one.at_utc for one in kept.buckets), default=now_utc) - now_utc
    if ahead_s > FUTURE_LIMIT_S:
        logger.warning(
            "the count caps were last filled %.1f hours after this machine's time, and fill again once that "
            "has passed; set the clock, or, if it was wrong then, remove %s: they then begin empty",
            *(ahead_s / 3600, file.path),
        )
    return KeptBuckets(limits, kept, file.write)
