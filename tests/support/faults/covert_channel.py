"""A code with which a hostile node writes data into legal reports, and with which a receiver reads them.

Every field that a node may choose is a place with the values that are still apart after the gate. A report
carries the number whose digits are the values of its places (mixed radix).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from edge.gate.limits.coarse import (
    CENTRE_STEP,
    CONFIDENCE_STEP,
    DIGITS,
    ERROR_COUNTS,
    FRESH_S,
    GUARD_DIGITS,
    HAZARD_STEP_S,
    LATE_HAZARD_STEP_S,
    LATE_MINUTE_S,
    LIGHT_STEP,
    MINUTE_S,
    OUTPUT_STEP,
    RATES,
    SIDES,
    STATE_DIGITS,
)
from edge.gate.limits.pins import AHEAD_S, HAZARD_MAY_LAST_S, MOST_AGE_S
from edge.gate.limits.signed_names import SignedNames
from messaging.releases import Channel, ExecutionProvider
from messaging.reports import (
    GUARD_LEAST_TRACKS,
    MOST_PER_FRAME,
    AccountState,
    AnswerOutcome,
    ErrorKind,
    EvidenceSource,
    GuardOutcome,
    HazardState,
    Report,
    SwapOutcome,
    SwapReason,
    Verdict,
)
from messaging.taxonomy import DEFAULT_TAXONOMY, Light, Occlusion, RegionBin, Sharpness, SizeBin, Weather
from tests.support.edge.gate_stage import ASKED, report_id

DIGESTS = tuple(name * 32 for name in ("ab", "cd", "ef"))
"""The model in service, the one before and a candidate."""
SIGNED = SignedNames(frozenset(DIGESTS), frozenset(DIGESTS[:1]), frozenset(DEFAULT_TAXONOMY.names))
CLASSES = (*DEFAULT_TAXONOMY.names, "unknown")
ZONES = (None, *(f"zone-{n}" for n in range(64)))
EVENTS = tuple(report_id(9_000_000 + n) for n in range(256))
"""Hazard events that the receiver has seen before."""


@dataclass(frozen=True)
class Place:
    """A field that a node chooses, by its path, and the values that are apart after the gate."""

    path: str
    values: Sequence[Any]


def _numbers(most: float, step: float = 1.0, digits: int = DIGITS) -> tuple[float, ...]:
    """Zero and the numbers of so many digits up to `most`, none finer than `step`."""
    found = {0.0}
    for exponent in range(round(math.log10(step)), 12):
        found |= {float(f"{m}e{exponent}") for m in range(1, 10**digits)}
    return tuple(sorted(value for value in found if value <= most))


CONFIDENCES = tuple(round(n * CONFIDENCE_STEP, 6) for n in range(21))
COUNTS = tuple(int(value) for value in _numbers(10_000_000))
WEIGHTS = _numbers(100_000_000.0, 0.01)
FINE = _numbers(1000.0, 1e-30)[1:]
BOX = (
    *(Place(f"box.{name}", tuple(round(n * CENTRE_STEP, 6) for n in range(21))) for name in ("cx", "cy")),
    *(Place(f"box.{name}", SIDES) for name in ("w", "h")),
)
TAGS = tuple(
    Place(f"tags.{name}", tuple(kind))
    for name, kind in (
        *(("light", Light), ("weather", Weather), ("sharpness", Sharpness)),
        *(("size", SizeBin), ("region", RegionBin), ("occlusion", Occlusion)),
    )
)
CONDITION = (Place("light", tuple(Light)), Place("weather", tuple(Weather)))
CLASS, MODEL = Place("class_name", CLASSES), Place("model_digest", DIGESTS)


def _times(path: str, stored_at_utc: int, step_s: int, late_step_s: int) -> Place:
    """A time of a report: the fresh ones in the first step, the older ones in the second."""
    fresh = range((stored_at_utc - FRESH_S) // step_s * step_s + step_s, stored_at_utc + AHEAD_S, step_s)
    late = range(
        (stored_at_utc - MOST_AGE_S) // late_step_s * late_step_s + late_step_s,
        stored_at_utc - FRESH_S - late_step_s,
        late_step_s,
    )
    return Place(path, (*late, *fresh))


def places(kind: str, stored_at_utc: int, events: Sequence[str] = EVENTS) -> tuple[Place, ...]:
    """The places of a report of a kind that is stored at a time; `events` as the reader sees them."""
    minute = _times("minute_utc", stored_at_utc, MINUTE_S, LATE_MINUTE_S)
    second = _times("at_utc", stored_at_utc, HAZARD_STEP_S, LATE_HAZARD_STEP_S)
    digests = Place("digest", DIGESTS), Place("previous_digest", (None, *DIGESTS))
    if kind == "hazard":
        oldest, newest = stored_at_utc - HAZARD_MAY_LAST_S, stored_at_utc - MOST_AGE_S
        started = range(oldest // LATE_MINUTE_S * LATE_MINUTE_S + LATE_MINUTE_S, newest, LATE_MINUTE_S)
        confidence = Place("confidence", CONFIDENCES)
        return (
            *(Place("event", events), CLASS, Place("state", tuple(HazardState)), confidence, *BOX, *TAGS),
            *(Place("severity", range(1, 6)), Place("zone", ZONES), MODEL, second),
            Place("started_at_utc", started),
        )
    if kind == "misdetection":
        probability = Place("probability", CONFIDENCES)
        kinds = Place("kind", tuple(ErrorKind)), Place("evidence", tuple(EvidenceSource))
        return (CLASS, *kinds, probability, *BOX, *TAGS, MODEL, minute)
    if kind == "prototype":
        vector = tuple(Place(f"vector.{n}", range(-127, 128)) for n in range(64))
        stated = tuple(
            Place(name, tuple(value for value in FINE if value <= most))
            for name, most in (
                *(("scale", 100.0), ("noise_sigma", 1000.0), ("epsilon", 100.0)),
                *(("epsilon_spent", 1000.0), ("delta", 0.01)),
            )
        )
        tracks = Place("tracks", tuple(n for n in COUNTS if n % 10 == 0 and 20 <= n <= 1_000_000))
        return (CLASS, *TAGS, *vector, *stated, tracks, minute)
    if kind == "recall":
        sources = EvidenceSource.TEACHER, EvidenceSource.SHADOW, EvidenceSource.OPERATOR
        counts = tuple(Place(name, COUNTS) for name in ("supported", "detected"))
        weights = tuple(Place(f"{name}_weight", WEIGHTS) for name in ("supported", "detected", "squared"))
        return (CLASS, *CONDITION, Place("source", sources), MODEL, *counts, *weights, minute)
    if kind == "shadow":
        row = (CLASS, *CONDITION, *(Place(name, COUNTS) for name in (
            "supported", "incumbent_detected", "candidate_detected", "incumbent_unsupported",
            "candidate_unsupported",
        )))  # fmt: skip
        of_run = (
            *(Place(name, COUNTS) for name in ("frames", "candidate_failures")),
            *(Place(f"{name}_p95_ms", _numbers(600_000, 0.1)) for name in ("candidate", "incumbent")),
            *(Place(f"{name}_digest", DIGESTS) for name in ("candidate", "incumbent")),
            *(Place("final", (False, True)), minute),
        )
        return (*(Place(f"tallies.0.{one.path}", one.values) for one in row), *of_run)
    if kind == "verdict":
        return (Place("event", (None, *events)), CLASS, Place("verdict", tuple(Verdict)), *BOX, *TAGS, minute)
    if kind == "guard":
        return (*_guard_places(), minute)
    if kind == "answer":
        return (Place("request", sorted(ASKED)), Place("outcome", tuple(AnswerOutcome)), minute)
    assert kind == "swap", kind
    reasons = Place("reason", tuple(one for one in SwapReason if one is not SwapReason.CLOCK_NOT_SANE))
    outcome = Place("outcome", tuple(SwapOutcome)), Place("channel", tuple(Channel))
    counted = Place("sequence", range(2**53)), Place("frames_lost", COUNTS)
    return (*counted, *digests, *outcome, reasons, second)


def _guard_places() -> tuple[Place, ...]:
    latencies, alarms = _numbers(600_000, 0.1, GUARD_DIGITS), _numbers(MOST_PER_FRAME, 0.01, GUARD_DIGITS)
    tens = tuple(n for n in _numbers(10_000_000, 10, GUARD_DIGITS) if n >= GUARD_LEAST_TRACKS)
    recalls = tuple(round(n / 100, 2) for n in range(101))
    return (
        *(Place(name, DIGESTS) for name in ("model_digest", "previous_digest")),
        Place("outcome", tuple(GuardOutcome)),
        Place("frames", tuple(int(n) for n in _numbers(10_000_000, 1, GUARD_DIGITS))),
        Place("output_fraction", tuple(round(n * OUTPUT_STEP, 6) for n in range(21))),
        *(Place(name, latencies) for name in ("latency_ms", "previous_latency_ms")),
        *(Place(name, alarms) for name in ("alarms_per_frame", "previous_alarms_per_frame")),
        Place("teacher_recall.supported", tuple(int(n) for n in tens)),
        *(Place(f"teacher_recall.{name}", recalls) for name in ("recall", "previous_recall")),
    )


def state_places() -> tuple[Place, ...]:
    """The places of a heartbeat that are renewed when they change."""
    optional = (None, *DIGESTS)
    names = "model_digest", "previous_digest", "candidate_digest"
    providers = (None, *ExecutionProvider)
    return (
        *(Place(name, optional) for name in names),
        *(Place(name, providers) for name in ("provider", "provider_wanted")),
        Place("channel", (None, *Channel)),
        Place("cameras.0.connected", (False, True)),
    )


def counter_places() -> tuple[Place, ...]:
    """The places of a heartbeat that are renewed a number of times a day."""
    lights = tuple(round(n * LIGHT_STEP, 6) for n in range(21))
    queues = tuple(int(n) for n in _numbers(10_000_000, 1, STATE_DIGITS))
    cameras = (
        *(Place(f"cameras.0.{name}", COUNTS) for name in (
            "frames", "skipped", "dropped", "failures", "detections", "misdetections"
        )),
        *(Place(f"cameras.0.{name}", RATES) for name in ("fps", "flow.processed_fps", "flow.skipped_fps")),
        Place("cameras.0.flow.decode_errors", ERROR_COUNTS),
        *(Place(f"cameras.0.flow.{name}_fraction", lights) for name in ("day", "night")),
        *(
            Place(f"cameras.0.inference_{name}_ms", _numbers(600_000, 0.1, STATE_DIGITS))
            for name in ("p50", "p95")
        ),
        Place("cameras.0.frame_age_s", _numbers(10_000_000, 0.1, STATE_DIGITS)),
        *(Place(f"cameras.0.{one.path}", one.values) for one in CONDITION),
    )  # fmt: skip
    return (
        *cameras,
        Place("uptime_s", COUNTS),
        *(Place(name, queues) for name in ("outbox_messages", "shed")),
        Place("teacher_fraction", tuple(round(n / 1000, 3) for n in range(1001))),
        Place("resident_mb", _numbers(1_000_000, 0.1, STATE_DIGITS)),
    )


def budget_places() -> tuple[Place, ...]:
    """The places of a heartbeat that are renewed with its counters, but less often."""
    hundredths = tuple(round(n / 100, 2) for n in range(6001))
    return (
        Place("epsilon_spent", _numbers(1000, 0.001)),
        *(Place(f"cameras.0.budget.{name}", hundredths) for name in ("epsilon", "epsilon_left")),
        Place("cameras.0.budget.window_days", range(1, 3651)),
        Place("cameras.0.budget.account", tuple(AccountState)),
    )


def capacity_bits(chosen: Sequence[Place]) -> int:
    """Whole bits that a report with these places carries."""
    return math.prod(len(one.values) for one in chosen).bit_length() - 1


def written(base: Report, chosen: Sequence[Place], number: int) -> Report:
    """The report whose places spell a number."""
    for place in chosen:
        number, digit = divmod(number, len(place.values))
        base = _changed(base, place.path.split("."), place.values[digit])
    assert number == 0, "the number has more digits than there are places"
    return base


def read(report: Report, chosen: Sequence[Place]) -> int:
    """The number that the places of a report spell."""
    number = 0
    for place in reversed(chosen):
        number = number * len(place.values) + place.values.index(_found(report, place.path.split(".")))
    return number


def _changed(value: Any, path: Sequence[str], to: Any) -> Any:
    if not path:
        return to
    if isinstance(value, BaseModel):
        return value.model_copy(update={path[0]: _changed(getattr(value, path[0]), path[1:], to)})
    index = int(path[0])
    return (*value[:index], _changed(value[index], path[1:], to), *value[index + 1 :])


def _found(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = getattr(value, name) if isinstance(value, BaseModel) else value[int(name)]
    return value
