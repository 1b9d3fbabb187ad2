"""Reports leave as coarse as their use allows, and no id, order or digit of a node's choosing survives."""

from itertools import permutations
from pathlib import Path

import pytest

from edge.gate.limits.coarse import SIDES, coarse, coarse_box, coarse_message
from edge.gate.limits.site_ids import SiteIds
from messaging.reports import (
    BoxGeometry,
    GuardRecall,
    GuardReport,
    HazardEvent,
    HazardState,
    Misdetection,
    Report,
)
from messaging.wire_format.codec import Message, decode, encode
from tests.support.edge.gate_stage import NOW_UTC, admission_of, outgoing_id, report_id, subject_and_data
from tests.support.messaging.samples import (
    GUARD,
    HAZARD,
    MISDETECTION,
    PROTOTYPE,
    RECALL,
    SAMPLES,
    SHADOW,
    VERDICT,
)
from tests.support.messaging.site_keys import site_key

NOW = int(NOW_UTC)
IDS = SiteIds(site_key("s1"))


def _sent(*reports: Report, at_utc: int = NOW, own: str = report_id(1)) -> Message:
    return coarse_message(Message(own, "s1", at_utc, reports[0], reports[1:]), NOW, IDS.outgoing)


def test_a_node_cannot_write_into_the_id_of_a_message_or_of_an_event() -> None:
    sent = _sent(HAZARD)
    assert isinstance(sent.report, HazardEvent)
    assert (sent.id, sent.report.event) == (outgoing_id(1), IDS.outgoing(HAZARD.event))
    assert report_id(1) != sent.id
    assert HAZARD.event != sent.report.event


def test_the_same_report_has_the_same_id_at_one_site_and_another_at_the_next() -> None:
    assert IDS.outgoing(report_id(1)) == SiteIds(site_key("s1")).outgoing(report_id(1))
    assert IDS.outgoing(report_id(1)) != SiteIds(site_key("s2")).outgoing(report_id(1))
    assert len({IDS.outgoing(report_id(n)) for n in range(1000)}) == 1000


def test_states_of_one_event_stay_one_event_also_in_the_verdict_of_an_operator() -> None:
    closed = HAZARD.model_copy(update={"state": HazardState.CLOSED})
    sent, verdict = _sent(HAZARD, closed), _sent(VERDICT).report
    assert {getattr(report, "event", "") for report in (*sent.reports, verdict)} == {
        IDS.outgoing(HAZARD.event)
    }
    assert [getattr(report, "state", "") for report in sent.reports] == ["opened", "closed"]


def test_a_node_cannot_write_into_the_order_of_reports() -> None:
    reports = [MISDETECTION.model_copy(update={"probability": n / 10}) for n in range(4)]
    assert len({encode(_sent(*order)) for order in permutations(reports)}) == 1


def test_what_the_guard_measured_leaves_with_two_digits() -> None:
    recall = GuardRecall(supported=1234, recall=0.917, previous_recall=0.843)
    fine = GUARD.model_copy(
        update={"frames": 3456, "output_fraction": 0.37, "latency_ms": 31.4, "alarms_per_frame": 1.23}
    )
    sent = _sent(fine.model_copy(update={"teacher_recall": recall})).report
    assert isinstance(sent, GuardReport)
    assert (sent.frames, sent.output_fraction) == (3500, 0.35)
    assert (sent.latency_ms, sent.alarms_per_frame) == (31, 1.2)
    assert sent.teacher_recall == GuardRecall(supported=1200, recall=0.92, previous_recall=0.84)
    untaught = _sent(fine.model_copy(update={"teacher_recall": None})).report
    assert getattr(untaught, "teacher_recall", "no field") is None


def test_a_node_cannot_write_into_the_time_of_the_envelope() -> None:
    assert {_sent(MISDETECTION, at_utc=at).at_utc for at in (0, NOW - 7, NOW, 2 * NOW)} == {NOW}


@pytest.mark.parametrize(
    ("box", "leaves"),
    [
        ((0.52, 0.43, 0.21, 0.12), (0.5, 0.45, 0.2, 0.12)),
        ((0.0, 1.0, 0.01, 0.014), (0.0, 1.0, 0.01, 0.01)),
        ((0.97, 0.48, 0.99, 0.72), (0.95, 0.5, 1.0, 0.65)),
    ],
)
def test_boxes_leave_coarse_and_small_ones_stay_small(
    box: tuple[float, ...], leaves: tuple[float, ...]
) -> None:
    cx, cy, w, h = box
    found = coarse_box(BoxGeometry(cx=cx, cy=cy, w=w, h=h))
    assert (found.cx, found.cy, found.w, found.h) == leaves
    assert {found.w, found.h} <= set(SIDES)


def test_counts_and_what_prototypes_state_keep_three_digits() -> None:
    tally = _sent(RECALL.model_copy(update={"supported": 1234, "detected": 999, "squared_weight": 18.757}))
    assert (getattr(tally.report, "supported", 0), getattr(tally.report, "detected", 0)) == (1230, 999)
    assert getattr(tally.report, "squared_weight", 0) == 18.8
    prototype = _sent(PROTOTYPE.model_copy(update={"scale": 0.0201234, "tracks": 12340})).report
    assert (getattr(prototype, "scale", 0), getattr(prototype, "tracks", 0)) == (0.0201, 12300)
    assert getattr(prototype, "vector", ()) == PROTOTYPE.vector
    shadow = _sent(SHADOW.model_copy(update={"frames": 10_234})).report
    assert getattr(shadow, "frames", 0) == 10_200


def test_fresh_hazards_keep_ten_seconds_fresh_evidence_minutes_and_late_ones_less() -> None:
    fresh = HAZARD.model_copy(update={"started_at_utc": NOW - 97, "at_utc": NOW - 13})
    report = _sent(fresh).report
    assert isinstance(report, HazardEvent)
    assert (report.started_at_utc, report.at_utc) == (NOW - 120, NOW - 20)
    late = _sent(MISDETECTION.model_copy(update={"minute_utc": NOW - 7260})).report
    assert isinstance(late, Misdetection)
    assert late.minute_utc == NOW - 10_800


def test_a_hazard_of_a_day_states_the_hour_and_evidence_a_probability_in_twentieths() -> None:
    lasting = HAZARD.model_copy(update={"started_at_utc": NOW - 90_000, "at_utc": NOW - 13})
    assert coarse(lasting, NOW, str).started_at_utc == (NOW - 90_000) // 3600 * 3600
    assert coarse(MISDETECTION.model_copy(update={"probability": 0.68}), NOW, str).probability == 0.7


@pytest.mark.parametrize("kind", sorted(set(SAMPLES) - {"heartbeat"}))
def test_what_leaves_is_a_valid_message_and_the_same_again_after_a_restart(kind: str, tmp_path: Path) -> None:
    subject, data = subject_and_data(1, SAMPLES[kind])
    once, again = (encode(admission_of(tmp_path).report(subject, report_id(1), data, NOW)) for _ in range(2))
    assert once == again
    assert decode(once).kind == kind
