"""Payloads as rows: nothing that a table has is lost on the way from the wire to the store."""

import pytest

from cloud.store.report_records import (
    HazardRow,
    MisdetectionRow,
    PrototypeRow,
    RecallRow,
    SwapRow,
    VerdictRow,
)
from cloud.store.report_rows import columns_of, record_type
from messaging.reports import ShadowReport
from messaging.taxonomy import Condition, Light, Occlusion, Weather
from tests.support.cloud.sample_reports import MINUTE, OLD, heartbeat, misdetection, prototype, tally
from tests.support.messaging.samples import HAZARD, SAMPLES

NIGHT_RAIN = Condition(Light.NIGHT, Weather.RAIN)


def test_a_misdetection_keeps_its_box_its_condition_and_its_tags() -> None:
    row = MisdetectionRow(**columns_of("harbour", misdetection()))
    assert (row.site, row.camera, row.condition, row.box) == (
        "harbour",
        "north",
        NIGHT_RAIN,
        (0.5, 0.8, 0.1, 0.05),
    )
    assert (row.size, row.region, row.occlusion) == ("small", "bottom", Occlusion.UNKNOWN)
    assert (row.probability, row.minute_utc, row.model_digest) == (0.9, MINUTE, OLD)


def test_a_prototype_has_real_values_where_the_wire_has_steps() -> None:
    row = PrototypeRow(**columns_of("harbour", prototype((-3, 0, 127))))
    assert row.vector == pytest.approx((-0.3, 0.0, 12.7))
    assert (row.condition, row.tracks, row.noise_sigma) == (NIGHT_RAIN, 20, 0.1)
    assert row.epsilon_spent == 1.0


def test_a_tally_has_its_condition_without_tags() -> None:
    row = RecallRow(**columns_of("harbour", tally()))
    assert (row.condition, row.supported, row.detected) == (NIGHT_RAIN, 40, 10)


def test_a_shadow_report_is_kept_whole_beside_its_candidate() -> None:
    report = SAMPLES["shadow"]
    assert isinstance(report, ShadowReport)
    row = {"site": "harbour", "report": report, "candidate_digest": report.candidate_digest}
    assert columns_of("harbour", report) == row


def test_a_hazard_event_is_taken_over_with_its_zone_and_times() -> None:
    row = HazardRow(**columns_of("harbour", HAZARD))
    assert (row.event, row.state, row.zone) == (HAZARD.event, HAZARD.state, HAZARD.zone)
    assert (row.started_at_utc, row.at_utc) == (HAZARD.started_at_utc, HAZARD.at_utc)


@pytest.mark.parametrize(("kind", "record"), [("swap", SwapRow), ("verdict", VerdictRow)])
def test_other_reports_are_taken_over_field_by_field(kind: str, record: type) -> None:
    report = SAMPLES[kind]
    assert record_type(report) is record
    row = columns_of("harbour", report)
    plain = {name: value for name, value in report if name not in {"box", "tags"}}
    assert {name: row[name] for name in plain} == plain


def test_a_heartbeat_has_no_record_of_its_own() -> None:
    assert record_type(heartbeat()) is None
