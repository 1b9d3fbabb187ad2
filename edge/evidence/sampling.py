"""Which frames the teacher processes: one segment of each stratum of time, rather an uncertain one.

Time is cut into strata by a clock, never by what the frames show. Of each stratum one segment is drawn (a
weighted reservoir of one: Chao 1982), so that the probability of every frame is known and above zero when the
stratum ends. Where the budget allows a frame every `LONGEST_STEP_S` a segment is one frame; otherwise it is
four frames in a row, so that a moving object is found again and becomes a track.

What is counted are tracks. `inclusion` is the probability that the sample would have confirmed a track that
was visible from its first to its last detection (extended by half a gap each, since both ends fall between
frames); its inverse is the track's weight (Horvitz and Thompson 1952). Nothing here has an image or a clock.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")

LONGEST_STEP_S = 0.6
SPACING_S = 0.3
SEGMENT_FRAMES = 4
UNCERTAINTY_WEIGHT = 1.0
LEAST_INCLUSION = 0.05
_STRATA_KEPT = 400
_ROUNDING_S = 1e-6
_COVERED = 0.5


@dataclass(frozen=True)
class Scheme:
    """How long a stratum is, how many frames a segment has, and the seconds between them."""

    stratum_s: float
    frames: int
    spacing_s: float

    @property
    def longest_gap_s(self) -> float:
        """Longest time between two drawn segments, with some reserve."""
        return 2.5 * self.stratum_s

    @property
    def segment_s(self) -> float:
        """How long a segment is."""
        return self.frames * self.spacing_s - _ROUNDING_S

    @classmethod
    def of(cls, step_s: float) -> "Scheme":
        """The scheme that processes one frame in `step_s` seconds on average."""
        if step_s <= LONGEST_STEP_S:
            return cls(step_s, 1, 0.0)
        return cls(SEGMENT_FRAMES * step_s, SEGMENT_FRAMES, SPACING_S)


@dataclass(frozen=True)
class Sampled(Generic[Item]):
    """A frame that was drawn; `weight` is the inverse of the probability with which it was."""

    item: Item
    weight: float


@dataclass
class _Segment(Generic[Item]):
    start_s: float
    end_s: float
    weight: float
    items: list[Item]


@dataclass(frozen=True)
class _Stratum:
    """A stratum that has ended: times and probabilities of its segments, and which one was drawn."""

    start_s: float
    end_s: float
    segments: tuple[tuple[float, float, float], ...]
    frames: int


@dataclass
class FrameSampler(Generic[Item]):
    """The frames of one camera in order of time; `chance` draws."""

    chance: random.Random
    _scheme: Scheme = field(default_factory=lambda: Scheme.of(0.0))
    _start_s: float = math.nan
    _before_s: float = math.nan
    _current: _Segment[Item] | None = None
    _drawn: _Segment[Item] | None = None
    _offered: list[tuple[float, float, float]] = field(default_factory=list)
    _total: float = 0.0
    _ended: deque[_Stratum] = field(default_factory=lambda: deque(maxlen=_STRATA_KEPT))
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=_STRATA_KEPT * SEGMENT_FRAMES))

    def offer(self, item: Item, time_s: float, *, uncertainty: int, step_s: float) -> list[Sampled[Item]]:
        """One frame; returns the drawn segment of a stratum that has ended, else nothing.

        Args:
            item: what is returned for the frame if it is drawn.
            time_s: its time in seconds; a jump backwards begins a new stratum.
            uncertainty: number of signs that the detector may err on it.
            step_s: seconds between processed frames that the budget allows.
        """
        sampled: list[Sampled[Item]] = []
        if not 0 <= time_s - self._start_s < self._scheme.stratum_s - _ROUNDING_S:
            sampled = self.end()
            self._start_s, self._scheme = time_s, Scheme.of(step_s)
        weight = 1.0 + UNCERTAINTY_WEIGHT * uncertainty
        current = self._current
        if current is None or time_s - current.start_s >= self._scheme.segment_s:
            self._draw()
            self._current = _Segment(time_s, time_s, weight, [item])
        else:
            if time_s - current.end_s >= self._scheme.spacing_s - _ROUNDING_S:
                current.items.append(item)
                current.end_s = time_s
            current.weight = max(current.weight, weight)
        step_before_s, self._before_s = time_s - self._before_s, time_s
        if step_s == 0 or (self._scheme.frames == 1 and step_s <= step_before_s):
            sampled += self.end()  # the next frame is of another stratum
            self._start_s = math.nan
        return sampled

    def end(self) -> list[Sampled[Item]]:
        """End the stratum: its drawn segment."""
        self._draw()
        drawn, self._drawn = self._drawn, None
        if drawn is None:
            return []
        total, self._total = self._total, 0.0
        segments = tuple((start, end, weight / total) for start, end, weight in self._offered)
        self._offered.clear()
        self._ended.append(_Stratum(segments[0][0], segments[-1][1], segments, self._scheme.frames))
        step = (drawn.end_s - drawn.start_s) / max(len(drawn.items) - 1, 1)
        self._times.extend(drawn.start_s + step * place for place in range(len(drawn.items)))
        return [Sampled(item, total / drawn.weight) for item in drawn.items]

    def _draw(self) -> None:
        """The current segment is complete: it replaces the drawn one with the probability of its weight."""
        segment, self._current = self._current, None
        if segment is None:
            return
        self._total += segment.weight
        self._offered.append((segment.start_s, segment.end_s, segment.weight))
        if self.chance.random() < segment.weight / self._total:
            self._drawn = segment

    def inclusion(self, first_s: float, last_s: float, hits: int) -> float:
        """Probability that a track was confirmed which was detected from `first_s` to `last_s`.

        `hits`: frames that confirm a track.
        """
        times = list(self._times)
        before, after = bisect_left(times, first_s), bisect_right(times, last_s)
        begin = (first_s + times[before - 1]) / 2 if before else first_s
        finish = (last_s + times[after]) / 2 if after < len(times) else last_s
        chances: list[float] = []
        needed = hits
        for stratum in self._ended:
            if stratum.end_s >= begin and stratum.start_s <= finish:
                chances.append(
                    sum(q for start, end, q in stratum.segments if _covers(begin, finish, start, end))
                )
                if stratum.frames > 1:
                    needed = 1
        if not chances or len(chances) == _STRATA_KEPT:
            return 1.0
        return min(1.0, max(LEAST_INCLUSION, at_least(needed, chances)))


def _covers(begin: float, finish: float, start: float, end: float) -> bool:
    """Whether an object visible from `begin` to `finish` is confirmed in a segment."""
    if end <= start:
        return begin <= start <= finish
    return min(end, finish) - max(start, begin) >= _COVERED * (end - start)


def at_least(needed: int, chances: Iterable[float]) -> float:
    """Probability that at least `needed` of independent events with these probabilities occur."""
    exactly = [1.0] + [0.0] * needed
    for chance in (min(one, 1.0) for one in chances):
        exactly[needed] += exactly[needed - 1] * chance
        for number in range(needed - 1, 0, -1):
            exactly[number] = exactly[number] * (1 - chance) + exactly[number - 1] * chance
        exactly[0] *= 1 - chance
    return exactly[needed]
