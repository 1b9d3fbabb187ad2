"""Reports as coarse as they may leave: what is finer than its use could carry something else.

Ids become the site's own (`site_ids`), the envelope has the time at which the site's broker stored it, boxes,
times and counts are rounded, and the reports of a message are in one order. Pure; the same message stored at
the same time always gives the same message.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from messaging.reports import (
    BoxGeometry,
    ClassPrototype,
    GuardReport,
    HazardEvent,
    HazardState,
    Misdetection,
    OperatorVerdict,
    RecallTally,
    Report,
    ShadowReport,
    SwapReason,
    SwapReceipt,
)
from messaging.wire_format.codec import Message

CENTRE_STEP = 0.05
SIDES = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
CONFIDENCE_STEP = 0.05
DIGITS = 3
"""Counts, weights and what prototypes state keep so many significant digits."""
GUARD_DIGITS = 2
STATE_DIGITS = 2
"""Times, memory and queues of a heartbeat."""
_RATIOS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
_FINE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
RATES = (*_FINE, *(n * 10**decade / 10 for decade in range(3) for n in _RATIOS), 1000.0)
"""Frames per second of a heartbeat, ten steps a decade."""
ERROR_COUNTS = (0, 1, 2, 3, 4, 5, 6, 8, *(n * 10**decade for decade in range(6) for n in _RATIOS), 10_000_000)
"""Decode errors of a heartbeat, likewise."""
LIGHT_STEP = 0.05
OUTPUT_STEP = 0.05
FRESH_S = 600
LONG_S = 86_400
"""A hazard that has lasted so long states the hour of its beginning, a newer one the minute."""
HAZARD_STEP_S, LATE_HAZARD_STEP_S = 10, 600
MINUTE_S, LATE_MINUTE_S = 60, 3600
_STATES = tuple(HazardState)
AnyReport = TypeVar("AnyReport", bound=Report)


def coarse_message(message: Message, stored_at_utc: int, outgoing: Callable[[str], str]) -> Message:
    """A message as it may leave. `outgoing` maps an id of the node to the one that leaves."""
    reports = sorted((coarse(one, stored_at_utc, outgoing) for one in message.reports), key=_place)
    return replace(
        message,
        id=outgoing(message.id),
        at_utc=stored_at_utc // HAZARD_STEP_S * HAZARD_STEP_S,
        report=reports[0],
        more=tuple(reports[1:]),
    )


def coarse(report: AnyReport, stored_at_utc: int, outgoing: Callable[[str], str]) -> AnyReport:
    """A report as it may leave."""
    changes: dict[str, Any] = {}
    if isinstance(report, HazardEvent):
        step_s = MINUTE_S if stored_at_utc - report.started_at_utc <= LONG_S else LATE_MINUTE_S
        started = report.started_at_utc // step_s * step_s
        at = _coarse_time(report.at_utc, stored_at_utc, (HAZARD_STEP_S, LATE_HAZARD_STEP_S))
        changes = {
            "event": outgoing(report.event),
            "started_at_utc": started,
            "at_utc": max(started, at),
            "confidence": on_grid(report.confidence, CONFIDENCE_STEP),
        }
    elif isinstance(report, Misdetection):
        changes = {"probability": on_grid(report.probability, CONFIDENCE_STEP)}
    elif isinstance(report, OperatorVerdict):
        changes = {"event": None if report.event is None else outgoing(report.event)}
    elif isinstance(report, RecallTally):
        changes = rounded(report, ("supported", "detected"))
        changes |= rounded(report, ("supported_weight", "detected_weight", "squared_weight"))
    elif isinstance(report, ClassPrototype):
        changes = rounded(report, ("scale", "noise_sigma", "epsilon", "epsilon_spent", "delta"))
        changes["tracks"] = int(_significant(report.tracks // 10)) * 10
    elif isinstance(report, ShadowReport):
        changes = _shadow(report)
    elif isinstance(report, GuardReport):
        changes = _guard(report)
    elif isinstance(report, SwapReceipt):
        insane = report.reason is SwapReason.CLOCK_NOT_SANE
        at = _coarse_time(report.at_utc, stored_at_utc, (HAZARD_STEP_S, LATE_HAZARD_STEP_S))
        changes = {
            "at_utc": stored_at_utc // HAZARD_STEP_S * HAZARD_STEP_S if insane else at,
            **rounded(report, ("frames_lost",)),
        }
    if isinstance(box := getattr(report, "box", None), BoxGeometry):
        changes["box"] = coarse_box(box)
    if (minute := getattr(report, "minute_utc", None)) is not None:
        changes["minute_utc"] = _coarse_time(minute, stored_at_utc, (MINUTE_S, LATE_MINUTE_S))
    return report.model_copy(update=changes)


def coarse_box(box: BoxGeometry) -> BoxGeometry:
    """Centre in steps of 0.05; sides on a scale of nearly equal ratios, so that small boxes stay small."""
    return BoxGeometry(
        cx=on_grid(box.cx, CENTRE_STEP),
        cy=on_grid(box.cy, CENTRE_STEP),
        w=nearest(box.w, SIDES),
        h=nearest(box.h, SIDES),
    )


def _shadow(report: ShadowReport) -> dict[str, Any]:
    counts = (
        *("supported", "incumbent_detected", "candidate_detected"),
        *("incumbent_unsupported", "candidate_unsupported"),
    )
    tallies = sorted(
        (tally.model_copy(update=rounded(tally, counts)) for tally in report.tallies), key=_place
    )
    of_run = ("frames", "candidate_p95_ms", "incumbent_p95_ms", "candidate_failures")
    return {"tallies": tuple(tallies), **rounded(report, of_run)}


def _guard(report: GuardReport) -> dict[str, Any]:
    """Two digits: a model that is worse is so by factors, and a recall has its interval."""
    recall = report.teacher_recall
    if recall is not None:
        tens = int(_significant(recall.supported // 10, GUARD_DIGITS)) * 10
        recall = recall.model_copy(update={"supported": tens})
    of_both = ("latency_ms", "previous_latency_ms", "alarms_per_frame", "previous_alarms_per_frame")
    return {
        "output_fraction": on_grid(report.output_fraction, OUTPUT_STEP),
        "teacher_recall": recall,
        **rounded(report, ("frames", *of_both), GUARD_DIGITS),
    }


def _place(report: Report) -> tuple[str, int, int, str]:
    """The order of reports in a message: those of one event by time, all others by what they state."""
    if isinstance(report, HazardEvent):
        return report.event, report.at_utc, _STATES.index(report.state), report.model_dump_json()
    return "", 0, 0, report.model_dump_json()


def _coarse_time(value: int, stored_at_utc: int, steps_s: tuple[int, int]) -> int:
    """A time rounded down: to the first step while it is fresh, to the second when it is older."""
    step_s = steps_s[0] if stored_at_utc - value <= FRESH_S else steps_s[1]
    return value // step_s * step_s


def rounded(report: Report, names: Sequence[str], digits: int = DIGITS) -> dict[str, Any]:
    """Fields of a report with so many significant digits, for `model_copy`."""
    return {name: significant(getattr(report, name), digits) for name in names}


def significant(value: Any, digits: int = DIGITS) -> Any:
    """A number with so many significant digits; None stays None, whole numbers stay whole."""
    return None if value is None else type(value)(_significant(value, digits))


def _significant(value: float, digits: int = DIGITS) -> float:
    return float(f"{value:.{digits}g}")


def nearest(value: float, steps: Sequence[float]) -> float:
    """The step that is nearest to a number."""
    return min(steps, key=lambda step: abs(step - value))


def on_grid(value: float, step: float) -> float:
    """A number rounded to whole steps."""
    return round(round(value / step) * step, 6)
