"""The verdict in two stages: which candidate may be tried in shadow, which may serve, and why not.

`trial` rests on the cloud's own holdout; a mode that the holdout lacks is marked *no cloud evidence* and
rests on the edge alone. `service` rests on shadow runs at the canary sites. Pure: counts in, a verdict with
its findings out; signing and rolling out happen elsewhere.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cloud.evaluation.evaluate import Evaluation, Tally
from messaging.intervals import newcombe_difference, wilson
from messaging.releases import Channel
from messaging.reports import ShadowReport
from messaging.taxonomy import Condition

Z_90 = 1.644854
Z_98 = 2.326348


class Outcome(StrEnum):
    """Whether the candidate may pass."""

    PASS = "pass"
    FAIL = "fail"
    WAIT = "wait"


class ComparisonResult(StrEnum):
    """What one comparison says."""

    BETTER = "better"
    NO_WORSE = "no worse"
    WORSE = "worse"
    TOO_FEW = "too few"
    NO_CLOUD_EVIDENCE = "no cloud evidence"


@dataclass(frozen=True, order=True)
class Target:
    """A class under a condition: what the campaign set out to mend."""

    class_name: str
    condition: Condition


@dataclass(frozen=True)
class Margins:
    """What counts as worse, and how much evidence is enough. Shares, not points.

    Attributes:
        recall_drop: largest drop of a class's recall over all conditions, where there are `class_boxes`.
        precision_drop: the same for precision.
        cell_drop: largest drop within one condition, where it holds `enough_boxes`.
        class_boxes: true (for precision: reported) boxes below which a class is only judged by its interval.
        enough_boxes: true boxes below which one condition is only judged by its interval.
        enough_tracks: supported tracks a target needs in shadow.
        most_tracks: supported tracks after which a target without gain is given up.
        false_alarm_ratio: how many times the incumbent's unsupported tracks are too many.
        latency_ratio: how many times the incumbent's 95th percentile is too slow.
        gain_required: whether a target must gain with confidence; without it, not losing is enough, which
            is for trying the wheels and for nothing else.
    """

    recall_drop: float = 0.03
    precision_drop: float = 0.05
    cell_drop: float = 0.15
    class_boxes: int = 100
    enough_boxes: int = 20
    enough_tracks: int = 30
    most_tracks: int = 300
    false_alarm_ratio: float = 1.5
    latency_ratio: float = 2.0
    gain_required: bool = True


@dataclass(frozen=True)
class MetricComparison:
    """One comparison: successes and trials of both, and the interval of candidate minus incumbent."""

    class_name: str
    condition: str
    measure: str
    incumbent: tuple[int, int]
    candidate: tuple[int, int]
    interval: tuple[float, float]
    judgement: ComparisonResult

    def __str__(self) -> str:
        before, after = (f"{s}/{n}" for s, n in (self.incumbent, self.candidate))
        return f"{self.class_name} {self.condition} {self.measure} {before} -> {after}: {self.judgement}"


@dataclass(frozen=True)
class PromotionVerdict:
    """What a channel decided, why in one sentence, and everything it looked at."""

    channel: Channel
    outcome: Outcome
    reason: str
    findings: tuple[MetricComparison, ...]

    @property
    def passed(self) -> bool:
        """Whether a release of this channel may be signed."""
        return self.outcome is Outcome.PASS


ALL = "all"


def trial_verdict(
    incumbent: Evaluation, candidate: Evaluation, targets: Collection[Target], margins: Margins = Margins()
) -> PromotionVerdict:
    """May the candidate run in shadow? Yes, unless the cloud's holdout shows it to be worse somewhere.

    Worse is: the 90 % interval of the difference lies below zero, for a class over all conditions or within
    one; or a well-filled class loses more recall or precision than its margin, a well-filled condition more
    recall than `cell_drop`. Targets do not have to gain here.
    """
    findings = [
        *_class_findings(incumbent, candidate, margins),
        *_cell_findings(incumbent, candidate, margins),
    ]
    seen = {(f.class_name, f.condition) for f in findings}
    findings += [
        MetricComparison(
            t.class_name,
            t.condition.key,
            "recall",
            (0, 0),
            (0, 0),
            (-1.0, 1.0),
            ComparisonResult.NO_CLOUD_EVIDENCE,
        )
        for t in sorted(targets)
        if (t.class_name, t.condition.key) not in seen
    ]
    worse = [f for f in findings if f.judgement is ComparisonResult.WORSE]
    if worse:
        return _verdict(
            Channel.TRIAL, Outcome.FAIL, f"worse on the cloud's holdout: {_listed(worse)}", findings
        )
    blank = [f for f in findings if f.judgement is ComparisonResult.NO_CLOUD_EVIDENCE]
    note = f"; no cloud evidence for {_listed_places(blank)}, the edge decides" if blank else ""
    reason = f"no worse on the cloud's holdout of {candidate.images} images{note}"
    return _verdict(Channel.TRIAL, Outcome.PASS, reason, findings)


def service_verdict(
    shadows: Iterable[ShadowReport], targets: Collection[Target], margins: Margins = Margins()
) -> PromotionVerdict:
    """May the candidate serve? Every target must gain with confidence and nothing else lose.

    Gain: the one-sided 95 % Newcombe bound of candidate minus incumbent recall on supported tracks lies
    above zero over at least `enough_tracks`. Loss: the one-sided 99 % bound lies below zero. Too few tracks
    is `wait`, never a pass; a target without gain after `most_tracks` fails.
    """
    runs = list(shadows)
    counts = _sum_shadows(runs)
    findings = [
        finding
        for place, count in sorted(counts.items())
        for finding in _shadow_findings(place, count, place in targets, margins)
    ]
    findings += [_missing(t) for t in sorted(targets) if t not in counts]
    if fault := _running_fault(runs, margins):
        return _verdict(Channel.SERVICE, Outcome.FAIL, fault, findings)
    worse = [f for f in findings if f.judgement is ComparisonResult.WORSE]
    if worse:
        return _verdict(Channel.SERVICE, Outcome.FAIL, f"worse in shadow: {_listed(worse)}", findings)
    enough = (
        {ComparisonResult.BETTER}
        if margins.gain_required
        else {ComparisonResult.BETTER, ComparisonResult.NO_WORSE}
    )
    open_targets = [
        f
        for f in findings
        if f.measure == "recall"
        and f.judgement not in enough
        and any((f.class_name, f.condition) == (t.class_name, t.condition.key) for t in targets)
    ]
    if not open_targets:
        said = "every target gained in shadow" if margins.gain_required else "every target was seen in shadow"
        return _verdict(Channel.SERVICE, Outcome.PASS, f"{said}, nothing lost", findings)
    spent = [f for f in open_targets if f.candidate[1] >= margins.most_tracks]
    if spent:
        return _verdict(Channel.SERVICE, Outcome.FAIL, f"no gain in shadow: {_listed(spent)}", findings)
    return _verdict(
        Channel.SERVICE, Outcome.WAIT, f"not enough to say yet: {_listed(open_targets)}", findings
    )


@dataclass(frozen=True)
class _ShadowCount:
    """Tracks of one class and condition, summed over sites."""

    supported: int = 0
    incumbent: int = 0
    candidate: int = 0
    incumbent_unsupported: int = 0
    candidate_unsupported: int = 0


def _class_findings(
    incumbent: Evaluation, candidate: Evaluation, margins: Margins
) -> Iterable[MetricComparison]:
    names = sorted({t.class_name for t in (*incumbent.tallies, *candidate.tallies)})
    for name in names:
        before, after = incumbent.of_class(name), candidate.of_class(name)
        if before is not None and after is not None:
            limits = ("recall", margins.recall_drop), ("precision", margins.precision_drop)
            for measure, limit in limits:
                pair = _counts(before, measure), _counts(after, measure)
                yield _compare(name, ALL, measure, *pair, limit, margins.class_boxes)


def _cell_findings(
    incumbent: Evaluation, candidate: Evaluation, margins: Margins
) -> Iterable[MetricComparison]:
    places = sorted({(t.class_name, t.condition) for t in incumbent.tallies if t.truths})
    for name, condition in places:
        before, after = incumbent.tally(name, condition), candidate.tally(name, condition)
        if before is not None and after is not None:
            pair = _counts(before, "recall"), _counts(after, "recall")
            yield _compare(name, condition, "recall", *pair, margins.cell_drop, margins.enough_boxes)


def _counts(tally: Tally, measure: str) -> tuple[int, int]:
    return tally.true_positives, tally.truths if measure == "recall" else tally.reported


def _compare(
    name: str,
    condition: str,
    measure: str,
    before: tuple[int, int],
    after: tuple[int, int],
    limit: float,
    enough: int,
) -> MetricComparison:
    """Worse: significantly so, or by more than `limit` where there are `enough` trials."""
    low, high = newcombe_difference(before, after, Z_90)
    judgement = ComparisonResult.NO_WORSE
    if min(before[1], after[1]) == 0:
        judgement = ComparisonResult.TOO_FEW
    elif high < 0 or (min(before[1], after[1]) >= enough and _share(after) < _share(before) - limit):
        judgement = ComparisonResult.WORSE
    elif low > 0:
        judgement = ComparisonResult.BETTER
    return MetricComparison(
        name, condition, measure, before, after, (round(low, 4), round(high, 4)), judgement
    )


def _share(counts: tuple[int, int]) -> float:
    return counts[0] / counts[1]


def _sum_shadows(runs: Sequence[ShadowReport]) -> dict[Target, _ShadowCount]:
    sums: dict[Target, list[int]] = defaultdict(lambda: [0] * 5)
    for tally in (tally for run in runs for tally in run.tallies):
        row = sums[Target(tally.class_name, Condition(tally.light, tally.weather))]
        numbers = (
            tally.supported,
            tally.incumbent_detected,
            tally.candidate_detected,
            tally.incumbent_unsupported,
            tally.candidate_unsupported,
        )
        row[:] = [a + b for a, b in zip(row, numbers, strict=True)]
    return {place: _ShadowCount(*row) for place, row in sums.items()}


def _shadow_findings(
    place: Target, count: _ShadowCount, is_target: bool, margins: Margins
) -> Iterable[MetricComparison]:
    before = min(count.incumbent, count.supported), count.supported
    after = min(count.candidate, count.supported), count.supported
    low, high = newcombe_difference(before, after, Z_90)
    judgement = ComparisonResult.NO_WORSE
    if newcombe_difference(before, after, Z_98)[1] < 0:
        judgement = ComparisonResult.WORSE
    elif count.supported < margins.enough_tracks:
        judgement = (
            ComparisonResult.TOO_FEW if is_target or not count.supported else ComparisonResult.NO_WORSE
        )
    elif low > 0:
        judgement = ComparisonResult.BETTER
    interval = (round(low, 4), round(high, 4))
    yield MetricComparison(
        place.class_name, place.condition.key, "recall", before, after, interval, judgement
    )
    yield _false_alarms(place, count, margins)


def _false_alarms(place: Target, count: _ShadowCount, margins: Margins) -> MetricComparison:
    """Unsupported tracks of the candidate among those of both; one half means equally many."""
    total = count.incumbent_unsupported + count.candidate_unsupported
    low, high = wilson(count.candidate_unsupported, total, Z_98)
    too_many = count.candidate_unsupported > margins.false_alarm_ratio * count.incumbent_unsupported
    judgement = ComparisonResult.WORSE if too_many and low > 0.5 else ComparisonResult.NO_WORSE
    return MetricComparison(
        place.class_name,
        place.condition.key,
        "share of unsupported tracks",
        (count.incumbent_unsupported, total),
        (count.candidate_unsupported, total),
        (round(low, 4), round(high, 4)),
        judgement if total else ComparisonResult.TOO_FEW,
    )


def _missing(target: Target) -> MetricComparison:
    return MetricComparison(
        target.class_name,
        target.condition.key,
        "recall",
        (0, 0),
        (0, 0),
        (-1.0, 1.0),
        ComparisonResult.TOO_FEW,
    )


def _running_fault(runs: Sequence[ShadowReport], margins: Margins) -> str | None:
    failures = sum(run.candidate_failures for run in runs)
    if failures:
        return f"the candidate could not look at {failures} frames in shadow"
    slow = [r for r in runs if r.candidate_p95_ms > margins.latency_ratio * max(r.incumbent_p95_ms, 1e-6)]
    if slow:
        return (
            f"the candidate is too slow in shadow: {slow[0].candidate_p95_ms} ms where the incumbent "
            f"takes {slow[0].incumbent_p95_ms} ms (95th percentiles)"
        )
    return None


def _verdict(
    channel: Channel, outcome: Outcome, reason: str, findings: Iterable[MetricComparison]
) -> PromotionVerdict:
    return PromotionVerdict(channel, outcome, reason, tuple(findings))


def _listed(findings: Sequence[MetricComparison]) -> str:
    return "; ".join(str(f) for f in findings[:4]) + ("; …" if len(findings) > 4 else "")


def _listed_places(findings: Sequence[MetricComparison]) -> str:
    return ", ".join(f"{f.class_name} {f.condition}" for f in findings)
