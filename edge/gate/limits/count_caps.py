"""How many reports of a kind and a camera may leave: token buckets in reports, sized by use.

They fill by the time at which the site's broker stored a message, so that what waited through an outage of
the hub has the allowance of the days in which it was made. Hazards have a bucket of their own, so that no
evidence takes from them. What is over a cap is shed by the caller and counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from edge.gate.limits.kept_buckets import CountLimit, KeptBuckets
from messaging.reports import Report, ShadowReport

SITE = ""
"""Stands for the camera in kinds that have none."""

COUNT_LIMITS: Mapping[str, CountLimit] = {
    "hazard": CountLimit(at_once=1000, per_day=300),
    "swap": CountLimit(at_once=60, per_day=20),
    "verdict": CountLimit(at_once=60, per_day=20),
    "misdetection": CountLimit(at_once=1000, per_day=300),
    "prototype": CountLimit(at_once=40, per_day=8),
    "recall": CountLimit(at_once=600, per_day=100),
    "shadow": CountLimit(at_once=2400, per_day=60),
    "answer": CountLimit(at_once=60, per_day=20),
    "guard": CountLimit(at_once=24, per_day=4),
}
"""For each camera, or for the site where a kind has none. Of shadow reports the rows count."""


class CountCaps:
    """The count caps of one site, over buckets that have a limit for each kind of a stream message."""

    def __init__(self, buckets: KeptBuckets) -> None:
        self._buckets = buckets

    def over(self, kind: str, reports: Sequence[Report], stored_at_utc: int) -> frozenset[str]:
        """The cameras whose reports of a message are over their cap (`SITE` for the site's own)."""
        return frozenset(
            camera
            for camera, cost in _costs(reports).items()
            if not self._buckets.has(kind, camera, cost, stored_at_utc)
        )

    def charge(self, kind: str, reports: Sequence[Report], stored_at_utc: int) -> None:
        """Charge the reports of a message that leaves. Raises `OSError` for a full disk: it may not leave."""
        self._buckets.charge(kind, _costs(reports), stored_at_utc)


def camera_of(report: Report) -> str:
    """The camera that a report is charged to."""
    return str(getattr(report, "camera", SITE))


def _costs(reports: Sequence[Report]) -> Counter[str]:
    costs: Counter[str] = Counter()
    for report in reports:
        rows = len(report.tallies) if isinstance(report, ShadowReport) else 1
        costs[camera_of(report)] += max(1, rows)
    return costs
