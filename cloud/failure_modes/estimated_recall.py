"""Estimated recall: detected tracks divided by supported tracks, with a 95 % Wilson interval.

Counts come from `RecallTally` (teacher, operator, the other model of a shadow run) and, for a class,
condition and model without any tally, from final shadow reports. A teacher processes a sample of the frames,
so its tracks count with the inverse of their probability (Hajek's ratio), and the interval is that of the
effective number of tracks (Kish). In a larger fleet no site has more weight than the median site of its key
(`cloud.failure_modes.site_shares`), so that one that lies does not decide. Each source is biased in a known
direction, so counts are kept per source beside their sum: estimates of a teacher and of a shadow run are high
(what the teacher, or both models, miss is not counted), those of operators are low (they report misses more
readily).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloud.failure_modes.site_shares import NO_LIMIT, SiteShares
from cloud.store.report_records import RecallCount, SiteShadow, TrackWeights
from messaging.intervals import wilson
from messaging.reports import EvidenceSource
from messaging.taxonomy import Condition, Light, Weather


@dataclass(frozen=True)
class RecallKey:
    """The model, class and condition that a recall is counted for."""

    model_digest: str
    class_name: str
    condition: Condition


@dataclass(frozen=True)
class RecallEstimate:
    """Counts of tracks: `detected` of `supported`; `by_source` holds (supported, detected) per source.

    Without `weights` every track's is 1.
    """

    supported: int = 0
    detected: int = 0
    by_source: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    weights: TrackWeights | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.detected <= self.supported:
            raise ValueError(f"detected {self.detected} must be between 0 and supported {self.supported}")

    @property
    def value(self) -> float | None:
        """Weighted fraction of supported tracks that were detected; None without supported tracks."""
        if self.weights is not None and self.weights.supported > 0:
            return min(1.0, self.weights.detected / self.weights.supported)
        return self.detected / self.supported if self.supported else None

    @property
    def effective(self) -> float:
        """The number of tracks of equal weight that would give an equally wide interval (Kish 1965)."""
        weights = self.weights
        if weights is None or weights.squared <= 0:
            return self.supported
        return min(self.supported, weights.supported**2 / weights.squared)

    @property
    def supported_in_service(self) -> int:
        """Supported tracks of the model in service; those of shadow runs are left out."""
        return self.supported - self.by_source.get(EvidenceSource.SHADOW, (0, 0))[0]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval; (0, 1) without supported tracks."""
        return wilson((self.value or 0.0) * self.effective, self.effective)

    @property
    def low(self) -> float:
        """Lower bound of the Wilson interval."""
        return self.interval[0]

    @property
    def high(self) -> float:
        """Upper bound of the Wilson interval."""
        return self.interval[1]

    @property
    def centre(self) -> float:
        """Centre of the Wilson interval: 0.5 without counts, near 0.5 with few."""
        low, high = self.interval
        return (low + high) / 2


def estimate_recall(
    counts: Iterable[RecallCount], shadows: Iterable[SiteShadow] = (), shares: SiteShares = NO_LIMIT
) -> dict[RecallKey, RecallEstimate]:
    """Sum tallies over sites, each limited by `shares`; keys without tallies use the final shadow reports."""
    sums: dict[RecallKey, dict[str, tuple[int, int]]] = defaultdict(dict)
    by_site: dict[RecallKey, dict[str, TrackWeights]] = defaultdict(lambda: defaultdict(TrackWeights))
    for count in counts:
        key = RecallKey(count.model_digest, count.class_name, count.condition)
        _add(sums[key], count.source, count.supported, count.detected)
        own = count.weights or TrackWeights(count.supported, count.detected, count.supported)
        by_site[key][count.site] += own
    weights = {key: _limited(sites, shares) for key, sites in by_site.items()}
    tallied = set(sums)
    for shadow in shadows:
        for key, supported, detected in _shadow_counts(shadow):
            if key not in tallied:
                _add(sums[key], EvidenceSource.SHADOW, supported, detected)
    return {
        key: RecallEstimate(
            sum(s for s, _ in by.values()), sum(d for _, d in by.values()), dict(by), weights.get(key)
        )
        for key, by in sums.items()
    }


def _limited(sites: Mapping[str, TrackWeights], shares: SiteShares) -> TrackWeights:
    """The sum over sites, none with more weight than its share allows."""
    factors = shares.factors({site: own.supported for site, own in sites.items() if own.supported > 0})
    limited = (own.scaled(factors.get(site, 1.0)) for site, own in sites.items())
    return sum(limited, start=TrackWeights())


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
