"""Counters and rates of one camera, as a heartbeat carries them."""

from edge.camera.health import CameraMetrics, SourceTotals
from messaging.taxonomy import Condition, Light, Weather

NONE = SourceTotals()


class Clock:
    """Seconds that the test moves on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_camera_without_frames_has_zero_rates_and_is_not_connected() -> None:
    health = CameraMetrics().heartbeat("gate", NONE)
    assert (health.fps, health.frame_age_s, health.inference_p50_ms, health.connected) == (0, 0, 0, False)
    assert health.flow is not None
    assert set(dict(health.flow).values()) == {0}


def test_rates_are_the_frames_between_two_heartbeats_by_the_seconds_between_them() -> None:
    clock = Clock()
    metrics = CameraMetrics(clock)
    for n in range(100):
        metrics.received()
        if n % 4:
            metrics.skipped += 1
        else:
            metrics.processed(0.02)
    clock.now_s += 10
    health = metrics.heartbeat("gate", SourceTotals(dropped=50))
    assert health.flow is not None
    assert (health.fps, health.flow.processed_fps, health.flow.skipped_fps) == (15.0, 2.5, 7.5)
    metrics.received()
    clock.now_s += 2
    health = metrics.heartbeat("gate", SourceTotals(dropped=50))
    assert health.flow is not None
    assert (health.fps, health.flow.processed_fps, health.frames, health.dropped) == (0.5, 0.0, 101, 50)


def test_the_rates_of_a_camera_that_gives_no_more_frames_are_zero_and_its_frame_age_grows() -> None:
    clock = Clock()
    metrics = CameraMetrics(clock)
    metrics.received()
    clock.now_s += 1
    assert metrics.heartbeat("gate", NONE).fps == 1.0
    clock.now_s += 8
    health = metrics.heartbeat("gate", NONE)
    assert (health.fps, health.frame_age_s) == (0.0, 9.0)


def test_no_rate_is_negative_when_a_source_was_opened_again_and_counts_from_zero() -> None:
    clock = Clock()
    metrics = CameraMetrics(clock)
    clock.now_s += 10
    metrics.heartbeat("gate", SourceTotals(dropped=500))
    clock.now_s += 10
    assert metrics.heartbeat("gate", SourceTotals(dropped=3)).fps == 0.0


def test_two_heartbeats_at_one_moment_state_no_rate() -> None:
    metrics = CameraMetrics(Clock())
    metrics.received()
    assert metrics.heartbeat("gate", NONE).fps == 0.0


def test_the_fractions_of_day_and_night_are_of_the_tagged_frames() -> None:
    metrics = CameraMetrics()
    for light in (Light.DAY, Light.DAY, Light.NIGHT, Light.DUSK):
        metrics.tagged(Condition(light, Weather.RAIN))
    health = metrics.heartbeat("gate", SourceTotals(decode_errors=7))
    assert health.flow is not None
    assert (health.flow.day_fraction, health.flow.night_fraction) == (0.5, 0.25)
    assert (health.light, health.weather, health.flow.decode_errors) == (Light.DUSK, Weather.RAIN, 7)


def test_inference_times_are_reported_as_median_and_95th_percentile_in_milliseconds() -> None:
    metrics = CameraMetrics()
    for milliseconds in range(101):
        metrics.processed(milliseconds / 1000)
    health = metrics.heartbeat("gate", NONE)
    assert round(health.inference_p50_ms, 6) == 50
    assert round(health.inference_p95_ms, 6) == 95


def test_a_lost_camera_has_a_reason_until_its_next_frame() -> None:
    metrics = CameraMetrics()
    metrics.received()
    metrics.lost("camera gate is frozen")
    assert (metrics.heartbeat("gate", NONE).connected, metrics.problem) == (False, "camera gate is frozen")
    metrics.received()
    assert (metrics.connected, metrics.problem) == (True, None)
