"""Estimated recall: what the model in service sees of what others say is there, with an honest interval.

Counts come from `RecallTally` (idle teacher, operator, the other model of a shadow run) and, for a class,
condition and model without any tally, from final shadow reports. Sources are biased in known ways, so that
they are summed, and shown one by one beside the sum: a teacher's and a shadow run's estimates are high (what
the teacher, or both models, miss is not counted), operators' are low (they report misses more readily).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloud.intervals import wilson
from cloud.store.records import RecallCount
from cloud.store.report_store import SiteShadow
from messaging.reports import EvidenceSource
from messaging.taxonomy import Condition, Light, Weather


@dataclass(frozen=True)
class RecallKey:
    """Whose recall, of what, under which condition."""

    model_digest: str
    class_name: str
    condition: Condition


@dataclass(frozen=True)
class RecallEstimate:
    """`detected` of `supported` tracks, and by source as (supported, detected)."""

    supported: int = 0
    detected: int = 0
    by_source: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.detected <= self.supported:
            raise ValueError(f"detected {self.detected} must lie between 0 and supported {self.supported}")

    @property
    def value(self) -> float | None:
        """The share detected; None when nothing was supported."""
        return self.detected / self.supported if self.supported else None

    @property
    def supported_in_service(self) -> int:
        """Tracks counted while the model served, not beside another one in a shadow run."""
        return self.supported - self.by_source.get(EvidenceSource.SHADOW, (0, 0))[0]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval; (0, 1) when nothing was supported."""
        return wilson(self.detected, self.supported)

    @property
    def centre(self) -> float:
        """The middle of the Wilson interval: one half without counts, shrunk to it with few."""
        low, high = self.interval
        return (low + high) / 2


def estimate_recall(
    counts: Iterable[RecallCount], shadows: Iterable[SiteShadow] = ()
) -> dict[RecallKey, RecallEstimate]:
    """Sum tallies over sites; keys without tallies take the final shadow reports instead."""
    sums: dict[RecallKey, dict[str, tuple[int, int]]] = defaultdict(dict)
    for count in counts:
        key = RecallKey(count.model_digest, count.class_name, count.condition)
        _add(sums[key], count.source, count.supported, count.detected)
    tallied = set(sums)
    for shadow in shadows:
        for key, supported, detected in _shadow_counts(shadow):
            if key not in tallied:
                _add(sums[key], EvidenceSource.SHADOW, supported, detected)
    return {
        key: RecallEstimate(sum(s for s, _ in by.values()), sum(d for _, d in by.values()), dict(by))
        for key, by in sums.items()
    }


def _add(by_source: dict[str, tuple[int, int]], source: str, supported: int, detected: int) -> None:
    before = by_source.get(source, (0, 0))
    by_source[source] = (before[0] + supported, before[1] + min(detected, supported))


def _shadow_counts(shadow: SiteShadow) -> Iterable[tuple[RecallKey, int, int]]:
    report = shadow.report
    if not report.final:
        return
    for tally in report.tallies:
        condition = Condition(Light(tally.light), Weather(tally.weather))
        for digest, detected in (
            (report.incumbent_digest, tally.incumbent_detected),
            (report.candidate_digest, tally.candidate_detected),
        ):
            yield RecallKey(digest, tally.class_name, condition), tally.supported, detected
