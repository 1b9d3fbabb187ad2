"""The promotion verdicts: whether a candidate may be released for trial, and then for service, and why.

The verdict for channel `trial` uses the cloud's holdout; a target that the holdout lacks is marked *no cloud
evidence* and is decided by the shadow runs alone. The verdict for channel `service` uses shadow runs at the
canary sites. Pure functions of counts; signing and rollout happen elsewhere.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cloud.evaluation.evaluate import Evaluation, Tally
from cloud.settings import PromotionSettings
from messaging.intervals import newcombe_difference, wilson
from messaging.releases import Channel
from messaging.reports import ShadowReport
from messaging.taxonomy import Condition

Z_90 = 1.644854
Z_98 = 2.326348


class Outcome(StrEnum):
    """Outcome of a verdict; WAIT asks for more evidence."""

    PASS = "pass"
    FAIL = "fail"
    WAIT = "wait"


class ComparisonResult(StrEnum):
    """Result of one comparison of candidate and incumbent."""

    BETTER = "better"
    NO_WORSE = "no worse"
    WORSE = "worse"
    TOO_FEW = "too few"
    NO_CLOUD_EVIDENCE = "no cloud evidence"
    NOT_COMPARABLE = "nothing to compare with"


@dataclass(frozen=True, order=True)
class Target:
    """A class under a condition that the campaign is to improve."""

    class_name: str
    condition: Condition


@dataclass(frozen=True)
class MetricComparison:
    """One comparison: successes and trials of both, and the interval of candidate minus incumbent."""

    class_name: str
    condition: str
    measure: str
    incumbent: tuple[int, int]
    candidate: tuple[int, int]
    interval: tuple[float, float]
    result: ComparisonResult

    def __str__(self) -> str:
        before, after = (f"{s}/{n}" for s, n in (self.incumbent, self.candidate))
        return f"{self.class_name} {self.condition} {self.measure} {before} -> {after}: {self.result}"


@dataclass(frozen=True)
class PromotionVerdict:
    """Verdict for one channel, its reason in one sentence, and all comparisons behind it."""

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
    incumbent: Evaluation,
    candidate: Evaluation,
    targets: Collection[Target],
    margins: PromotionSettings,
    new_classes: Collection[str] = (),
) -> PromotionVerdict:
    """Whether the candidate may be released for trial: yes, unless it is worse on the cloud's holdout.

    Worse means that the 90 % interval of the difference is below zero, for a class over all conditions or
    within one, or that a class with enough boxes loses more recall or precision than its margin, or a
    condition with enough boxes more recall than `condition_drop`. Targets need not gain here.

    The incumbent lacks `new_classes`, so that nothing compares with their recall: it must be above zero if
    the holdout has the class, and their false alarms per image at most `new_class_alarms`.
    """
    findings = [
        *_class_findings(incumbent, candidate, margins),
        *_condition_findings(incumbent, candidate, margins),
        *(f for name in sorted(new_classes) for f in _new_class_findings(name, candidate, margins)),
    ]
    compared = {(f.class_name, f.condition) for f in findings}
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
        if (t.class_name, t.condition.key) not in compared and t.class_name not in new_classes
    ]
    worse = [f for f in findings if f.result is ComparisonResult.WORSE]
    if worse:
        return _verdict(
            Channel.TRIAL, Outcome.FAIL, f"worse on the cloud's holdout: {_listed(worse)}", findings
        )
    missing = [f for f in findings if f.result is ComparisonResult.NO_CLOUD_EVIDENCE and f.condition != ALL]
    note = f"; no cloud evidence for {_listed_cells(missing)}, shadow runs decide" if missing else ""
    reason = f"no worse on the cloud's holdout of {candidate.images} images{note}{_new_class_note(findings)}"
    return _verdict(Channel.TRIAL, Outcome.PASS, reason, findings)


def service_verdict(
    shadows: Iterable[ShadowReport],
    targets: Collection[Target],
    margins: PromotionSettings,
    new_classes: Collection[str] = (),
) -> PromotionVerdict:
    """Whether the candidate may be released for service: every target gains with confidence, nothing loses.

    Gain: over at least `enough_tracks` supported tracks, the one-sided 95 % Newcombe bound of candidate minus
    incumbent recall is above zero. Loss: the one-sided 99 % bound is below zero. Too few tracks give WAIT,
    never PASS; a target without gain after `most_tracks` fails.

    The incumbent lacks `new_classes`, and no teacher confirms them in a shadow run: a target of a new class
    needs `new_class_frames` frames with at most `new_class_alarms` tracks per frame, and nothing else lost.
    """
    runs = list(shadows)
    every = _sum_shadows(runs)
    counts = {cell: count for cell, count in every.items() if cell.class_name not in new_classes}
    compared = {target for target in targets if target.class_name not in new_classes}
    findings = [
        finding
        for cell, count in sorted(counts.items())
        for finding in _shadow_findings(cell, count, cell in compared, margins)
    ]
    findings += [_missing(t) for t in sorted(compared) if t not in counts]
    frames = sum(run.frames for run in runs)
    findings += [_new_class_in_shadow(name, every, frames, margins) for name in sorted(new_classes)]
    if fault := _running_fault(runs, margins):
        return _verdict(Channel.SERVICE, Outcome.FAIL, fault, findings)
    worse = [f for f in findings if f.result is ComparisonResult.WORSE]
    if worse:
        return _verdict(Channel.SERVICE, Outcome.FAIL, f"worse in shadow: {_listed(worse)}", findings)
    enough = (
        {ComparisonResult.BETTER}
        if margins.significance
        else {ComparisonResult.BETTER, ComparisonResult.NO_WORSE}
    )
    open_targets = [
        f
        for f in findings
        if f.measure == "recall"
        and f.result not in enough
        and any((f.class_name, f.condition) == (t.class_name, t.condition.key) for t in compared)
    ]
    if new_classes and frames < margins.new_class_frames:
        reason = f"a new class needs {margins.new_class_frames} frames in shadow, {frames} were processed"
        return _verdict(Channel.SERVICE, Outcome.WAIT, reason, findings)
    if not open_targets:
        gains = "every target gained in shadow" if margins.significance else "no target lost in shadow"
        reason = f"{gains if compared or not new_classes else 'nothing lost in shadow'}, nothing else lost"
        reason += _new_class_note(findings)
        return _verdict(Channel.SERVICE, Outcome.PASS, reason, findings)
    without_gain = [f for f in open_targets if f.candidate[1] >= margins.most_tracks]
    if without_gain:
        return _verdict(
            Channel.SERVICE, Outcome.FAIL, f"no gain in shadow: {_listed(without_gain)}", findings
        )
    return _verdict(
        Channel.SERVICE, Outcome.WAIT, f"not enough evidence yet: {_listed(open_targets)}", findings
    )


def _new_class_findings(
    name: str, candidate: Evaluation, margins: PromotionSettings
) -> Iterable[MetricComparison]:
    """Recall and false alarms of a class that the incumbent lacks, on the holdout."""
    tally = candidate.of_class(name)
    found, truths = (0, 0) if tally is None else _counts(tally, "recall")
    result = ComparisonResult.NOT_COMPARABLE if found else ComparisonResult.WORSE
    result = result if truths else ComparisonResult.NO_CLOUD_EVIDENCE
    yield MetricComparison(name, ALL, "recall", (0, 0), (found, truths), wilson(found, truths), result)
    alarms = 0 if tally is None else tally.false_positives
    yield _new_class_alarms(name, "false alarms per image", alarms, candidate.images, margins)


def _new_class_in_shadow(
    name: str, counts: Mapping[Target, "_ShadowCount"], frames: int, margins: PromotionSettings
) -> MetricComparison:
    tracks = sum(c.candidate_unsupported for cell, c in counts.items() if cell.class_name == name)
    return _new_class_alarms(name, "unconfirmed tracks per frame", tracks, frames, margins)


def _new_class_alarms(
    name: str, measure: str, alarms: int, images: int, margins: PromotionSettings
) -> MetricComparison:
    too_many = alarms > max(margins.new_class_alarms * images, 1)
    result = ComparisonResult.WORSE if too_many else ComparisonResult.NOT_COMPARABLE
    fraction = min(alarms / max(images, 1), 1.0)
    return MetricComparison(name, ALL, measure, (0, 0), (alarms, images), (fraction, fraction), result)


def _new_class_note(findings: Iterable[MetricComparison]) -> str:
    """What was measured of new classes, for the reason of a verdict that passes."""
    shown = [
        f"{f.measure} {f.candidate[0]}/{f.candidate[1]}" if f.candidate[1] else f"{f.measure} not measured"
        for f in findings
        if f.result is ComparisonResult.NOT_COMPARABLE
        or (f.condition == ALL and f.result is ComparisonResult.NO_CLOUD_EVIDENCE)
    ]
    names = sorted({f.class_name for f in findings if f.result is ComparisonResult.NOT_COMPARABLE})
    return f"; new, with nothing to compare with: {', '.join(names)} ({'; '.join(shown)})" if names else ""


@dataclass(frozen=True)
class _ShadowCount:
    """Tracks of one class and condition, summed over sites."""

    supported: int = 0
    incumbent: int = 0
    candidate: int = 0
    incumbent_unsupported: int = 0
    candidate_unsupported: int = 0


def _class_findings(
    incumbent: Evaluation, candidate: Evaluation, margins: PromotionSettings
) -> Iterable[MetricComparison]:
    names = sorted({t.class_name for t in (*incumbent.tallies, *candidate.tallies)})
    for name in names:
        before, after = incumbent.of_class(name), candidate.of_class(name)
        if before is not None and after is not None:
            limits = ("recall", margins.recall_drop), ("precision", margins.precision_drop)
            for measure, limit in limits:
                pair = _counts(before, measure), _counts(after, measure)
                rule = _Rule(limit, margins.class_boxes, margins.significance)
                yield _compare(name, ALL, measure, *pair, rule)


def _condition_findings(
    incumbent: Evaluation, candidate: Evaluation, margins: PromotionSettings
) -> Iterable[MetricComparison]:
    cells = sorted({(t.class_name, t.condition) for t in incumbent.tallies if t.truths})
    for name, condition in cells:
        before, after = incumbent.tally(name, condition), candidate.tally(name, condition)
        if before is not None and after is not None:
            pair = _counts(before, "recall"), _counts(after, "recall")
            rule = _Rule(margins.condition_drop, margins.enough_boxes, margins.significance)
            yield _compare(name, condition, "recall", *pair, rule)


def _counts(tally: Tally, measure: str) -> tuple[int, int]:
    return tally.true_positives, tally.truths if measure == "recall" else tally.reported


@dataclass(frozen=True)
class _Rule:
    """Worse: lower by more than `drop` where both have `enough` trials, or, if asked, significantly."""

    drop: float
    enough: int
    significance: bool


def _compare(
    name: str,
    condition: str,
    measure: str,
    before: tuple[int, int],
    after: tuple[int, int],
    rule: _Rule,
) -> MetricComparison:
    low, high = newcombe_difference(before, after, Z_90)
    trials = min(before[1], after[1])
    result = ComparisonResult.NO_WORSE
    if trials == 0:
        result = ComparisonResult.TOO_FEW
    elif (rule.significance and high < 0) or (
        trials >= rule.enough and _fraction(after) < _fraction(before) - rule.drop
    ):
        result = ComparisonResult.WORSE
    elif low > 0:
        result = ComparisonResult.BETTER
    return MetricComparison(name, condition, measure, before, after, (round(low, 4), round(high, 4)), result)


def _fraction(counts: tuple[int, int]) -> float:
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
    return {cell: _ShadowCount(*row) for cell, row in sums.items()}


def _shadow_findings(
    cell: Target, count: _ShadowCount, is_target: bool, margins: PromotionSettings
) -> Iterable[MetricComparison]:
    before = min(count.incumbent, count.supported), count.supported
    after = min(count.candidate, count.supported), count.supported
    low, high = newcombe_difference(before, after, Z_90)
    result = ComparisonResult.NO_WORSE
    if margins.significance and newcombe_difference(before, after, Z_98)[1] < 0:
        result = ComparisonResult.WORSE
    elif count.supported < margins.enough_tracks:
        result = ComparisonResult.TOO_FEW if is_target or not count.supported else ComparisonResult.NO_WORSE
    elif low > 0:
        result = ComparisonResult.BETTER
    interval = (round(low, 4), round(high, 4))
    yield MetricComparison(cell.class_name, cell.condition.key, "recall", before, after, interval, result)
    yield _false_alarms(cell, count, margins)


def _false_alarms(cell: Target, count: _ShadowCount, margins: PromotionSettings) -> MetricComparison:
    """Fraction of the candidate in the unsupported tracks of both; 0.5 means equally many."""
    total = count.incumbent_unsupported + count.candidate_unsupported
    low, high = wilson(count.candidate_unsupported, total, Z_98)
    too_many = count.candidate_unsupported > margins.false_alarm_ratio * count.incumbent_unsupported
    result = ComparisonResult.WORSE if too_many and low > 0.5 else ComparisonResult.NO_WORSE
    return MetricComparison(
        cell.class_name,
        cell.condition.key,
        "fraction of unsupported tracks",
        (count.incumbent_unsupported, total),
        (count.candidate_unsupported, total),
        (round(low, 4), round(high, 4)),
        result if total else ComparisonResult.TOO_FEW,
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


def _running_fault(runs: Sequence[ShadowReport], margins: PromotionSettings) -> str | None:
    failures = sum(run.candidate_failures for run in runs)
    if failures:
        return f"the candidate failed on {failures} frames in shadow"
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


def _listed_cells(findings: Sequence[MetricComparison]) -> str:
    return ", ".join(f"{f.class_name} {f.condition}" for f in findings)
