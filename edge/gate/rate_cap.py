"""How much may leave a site: a bucket for the minute and one for the day, in bytes, for each kind of traffic.

A leak of images would hit it first: one image has the size of hundreds of reports. Hazards have buckets of
their own, so that nothing else holds them back. Evidence shares its buckets with heartbeats, which keep a
tenth of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from messaging.wire_format.codec import Lane

RESERVE_FOR_HEARTBEATS = 0.1
_DAY_S = 86_400.0


@dataclass(frozen=True)
class ByteLimits:
    """Bytes that may leave at once, and that come back over a minute and over a day."""

    per_minute: int
    per_day: int


class _Bucket:
    def __init__(self, capacity_bytes: int, period_s: float, spent_bytes: int, now_s: float) -> None:
        self.capacity_bytes = capacity_bytes
        self._per_second = capacity_bytes / period_s
        self._level = float(max(0, capacity_bytes - spent_bytes))
        self._at_s = now_s

    def level(self, now_s: float) -> float:
        self._level = min(self.capacity_bytes, self._level + (now_s - self._at_s) * self._per_second)
        self._at_s = now_s
        return self._level

    def spend(self, length_bytes: int) -> None:
        self._level -= length_bytes


class RateCap:
    """The buckets; time is an argument (monotonic seconds). Only bytes that the hub has are charged."""

    def __init__(
        self,
        *,
        evidence: ByteLimits,
        hazards: ByteLimits,
        spent_today: Mapping[Lane, int],
        now_s: float,
    ) -> None:
        """`spent_today`: bytes of each lane that left within the last day, before this start."""

        def buckets(limits: ByteLimits, *lanes: Lane) -> tuple[_Bucket, _Bucket]:
            spent = sum(spent_today.get(lane, 0) for lane in lanes)
            return (
                _Bucket(limits.per_minute, 60.0, 0, now_s),
                _Bucket(limits.per_day, _DAY_S, spent, now_s),
            )

        shared = buckets(evidence, Lane.EVIDENCE, Lane.LATEST)
        self._buckets = {
            Lane.HAZARDS: buckets(hazards, Lane.HAZARDS),
            Lane.EVIDENCE: shared,
            Lane.LATEST: shared,
        }

    def available(self, lane: Lane, now_s: float) -> float:
        """Bytes that this lane may send right now (zero or below: it has to wait)."""
        reserve = RESERVE_FOR_HEARTBEATS if lane is Lane.EVIDENCE else 0.0
        return min(b.level(now_s) - reserve * b.capacity_bytes for b in self._buckets[lane])

    def charge(self, length_bytes: int, lane: Lane) -> None:
        """Count bytes that have left."""
        for bucket in self._buckets[lane]:
            bucket.spend(length_bytes)
