"""A shadow run as evaluations: counts of tracks, and over how many camera-hours they were counted."""

from typing import Any

from cloud.campaigns.shadow_rows import camera_hours, shadow_rows
from cloud.store.report_records import SiteHeartbeat, SwapRow
from messaging.releases import Channel
from messaging.reports import CameraHealth, SwapOutcome, SwapReason
from messaging.taxonomy import Light, Weather
from tests.support.cloud.sample_reports import heartbeat
from tests.support.messaging.samples import MINUTE, SHADOW

HOUR_S = 3600


def begun(at_utc: int, **changes: Any) -> SwapRow:
    values = {"digest": SHADOW.candidate_digest, "outcome": SwapOutcome.SHADOWING, **changes}
    return SwapRow(
        site="north", sequence=1, previous_digest=None, channel=Channel.TRIAL, reason=SwapReason.NONE,
        frames_lost=0, at_utc=at_utc, **values,
    )  # fmt: skip


def beat(*connected: bool) -> SiteHeartbeat:
    cameras = tuple(
        CameraHealth(
            camera=f"camera-{n}", frames=1, skipped=0, dropped=0, failures=0, detections=0, misdetections=0,
            fps=5.0, inference_p50_ms=1.0, inference_p95_ms=1.0, frame_age_s=0.1, connected=one,
            light=Light.DAY, weather=Weather.CLEAR,
        )
        for n, one in enumerate(connected)
    )  # fmt: skip
    return SiteHeartbeat("north", "m", MINUTE, 9, heartbeat(cameras=cameras), MINUTE)


def test_a_run_lasts_from_its_receipt_to_its_report_for_each_connected_camera() -> None:
    swaps = [begun(MINUTE - 2 * HOUR_S)]
    assert camera_hours({"north": SHADOW}, swaps, [beat(True, True, False)]) == {"north": 4.0}


def test_a_run_that_was_begun_again_counts_from_its_last_beginning() -> None:
    swaps = [begun(MINUTE - 9 * HOUR_S), begun(MINUTE - HOUR_S)]
    assert camera_hours({"north": SHADOW}, swaps, [beat(True)]) == {"north": 1.0}


def test_hours_of_which_the_beginning_or_the_cameras_are_unknown_are_left_out() -> None:
    runs = {"north": SHADOW}
    earlier = begun(MINUTE - HOUR_S)
    assert camera_hours(runs, [], [beat(True)]) == {}
    assert camera_hours(runs, [begun(MINUTE - HOUR_S, digest="00" * 32)], [beat(True)]) == {}
    assert camera_hours(runs, [begun(MINUTE - HOUR_S, outcome=SwapOutcome.REFUSED)], [beat(True)]) == {}
    assert camera_hours(runs, [earlier], []) == camera_hours(runs, [earlier], [beat(False)]) == {}
    assert camera_hours(runs, [begun(MINUTE + 30)], [beat(True)]) == {}


def test_both_models_have_a_row_with_the_hours_of_their_run() -> None:
    rows = shadow_rows("C", {"north": SHADOW}, {"north": 4.0})
    assert [row.model_digest for row in rows] == [SHADOW.incumbent_digest, SHADOW.candidate_digest]
    assert {(row.role, row.class_name, row.condition) for row in rows} == {
        ("shadow:north", "fire", "night-rain")
    }
    assert rows[1].metrics == {
        "supported": 20, "detected": 18, "unsupported": 1, "recall": 0.9, "camera_hours": 4.0
    }  # fmt: skip
    (first, _) = shadow_rows("C", {"north": SHADOW}, {})
    assert first.metrics["camera_hours"] is None
