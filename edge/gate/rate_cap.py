"""How much may leave a site: a bucket for the minute and one for the day, in bytes.

A leak of images would hit it first: one image has the size of hundreds of reports. Lanes keep a reserve
for those that matter more: evidence leaves a quarter of each bucket to hazards, heartbeats a tenth.
"""

from messaging.wire_format.codec import Lane

RESERVE = {Lane.HAZARDS: 0.0, Lane.LATEST: 0.1, Lane.EVIDENCE: 0.25}


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
    """Both buckets; time is an argument (monotonic seconds)."""

    def __init__(
        self, *, bytes_per_minute: int, bytes_per_day: int, spent_today_bytes: int, now_s: float
    ) -> None:
        self._buckets = (
            _Bucket(bytes_per_minute, 60.0, 0, now_s),
            _Bucket(bytes_per_day, 86_400.0, spent_today_bytes, now_s),
        )

    def available(self, lane: Lane, now_s: float) -> float:
        """Bytes that this lane may spend right now (below zero: it has to wait)."""
        return min(b.level(now_s) - RESERVE[lane] * b.capacity_bytes for b in self._buckets)

    def take(self, length_bytes: int, lane: Lane, now_s: float) -> bool:
        """Spend the bytes if both buckets allow it above the lane's reserve; else leave them as they are."""
        if self.available(lane, now_s) < length_bytes:
            return False
        for bucket in self._buckets:
            bucket.spend(length_bytes)
        return True

    def give_back(self, length_bytes: int) -> None:
        """Undo `take` for bytes that did not leave."""
        for bucket in self._buckets:
            bucket.spend(-length_bytes)
