"""How many reports of a kind and a camera may leave: token buckets in reports, sized by use.

They fill by the time at which the site's broker stored a message, so that what waited through an outage of
the hub has the allowance of the days in which it was made. Hazards have a bucket of their own, so that no
evidence takes from them. Pure; what is over a cap is shed by the caller and counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from messaging.reports import Report, ShadowReport

_DAY_S = 86_400.0
SITE = ""
"""Stands for the camera in kinds that have none."""


class CountLimit(BaseModel):
    """Reports of one kind that may leave: `at_once` after a rest, and `per_day` in the long run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_once: int = Field(ge=1, le=1_000_000)
    per_day: int = Field(ge=1, le=1_000_000)


COUNT_LIMITS: Mapping[str, CountLimit] = {
    "hazard": CountLimit(at_once=1000, per_day=300),
    "swap": CountLimit(at_once=60, per_day=20),
    "verdict": CountLimit(at_once=60, per_day=20),
    "misdetection": CountLimit(at_once=1000, per_day=300),
    "prototype": CountLimit(at_once=40, per_day=8),
    "recall": CountLimit(at_once=600, per_day=100),
    "shadow": CountLimit(at_once=2400, per_day=60),
}
"""For each camera; swap and shadow, which have none, for the site. Of shadow reports the rows count."""


@dataclass
class _Bucket:
    level: float
    at_utc: int


class CountCaps:
    """The buckets of one site. Each kind of a stream message has a limit."""

    def __init__(self, limits: Mapping[str, CountLimit]) -> None:
        self._limits = {**COUNT_LIMITS, **limits}
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def over(self, kind: str, reports: Sequence[Report], stored_at_utc: int) -> frozenset[str]:
        """The cameras whose reports of a message are over their cap (`SITE` for the site's own)."""
        return frozenset(
            camera
            for camera, cost in _costs(reports).items()
            if self._bucket(kind, camera, stored_at_utc).level < min(cost, self._limits[kind].at_once)
        )

    def charge(self, kind: str, reports: Sequence[Report], stored_at_utc: int) -> None:
        """Charge the reports of a message that leaves."""
        for camera, cost in _costs(reports).items():
            self._bucket(kind, camera, stored_at_utc).level -= cost

    def _bucket(self, kind: str, camera: str, stored_at_utc: int) -> _Bucket:
        limit = self._limits[kind]
        bucket = self._buckets.setdefault((kind, camera), _Bucket(limit.at_once, stored_at_utc))
        passed_s = max(0, stored_at_utc - bucket.at_utc)
        bucket.level = min(limit.at_once, bucket.level + passed_s * limit.per_day / _DAY_S)
        bucket.at_utc += passed_s
        return bucket


def camera_of(report: Report) -> str:
    """The camera that a report is charged to."""
    return str(getattr(report, "camera", SITE))


def _costs(reports: Sequence[Report]) -> Counter[str]:
    costs: Counter[str] = Counter()
    for report in reports:
        rows = len(report.tallies) if isinstance(report, ShadowReport) else 1
        costs[camera_of(report)] += max(1, rows)
    return costs
