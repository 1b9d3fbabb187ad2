"""Counters and rates of one camera, as a heartbeat carries them."""

from edge.camera.health import CameraMetrics


def test_a_camera_without_frames_has_zero_rates_and_is_not_connected() -> None:
    health = CameraMetrics().snapshot("gate", dropped=0)
    assert (health.fps, health.frame_age_s, health.inference_p50_ms, health.connected) == (0, 0, 0, False)


def test_frames_per_second_are_counted_by_the_gaps_between_frames() -> None:
    now = [100.0]
    metrics = CameraMetrics(lambda: now[0])
    for _ in range(5):
        metrics.received()
        now[0] += 0.25
    assert metrics.fps == 4.0
    now[0] = 109.0
    health = metrics.snapshot("gate", dropped=3)
    assert (health.frames, health.dropped, health.frame_age_s, health.connected) == (5, 3, 8.0, True)


def test_inference_times_are_reported_as_median_and_95th_percentile_in_milliseconds() -> None:
    metrics = CameraMetrics()
    for milliseconds in range(101):
        metrics.processed(milliseconds / 1000)
    health = metrics.snapshot("gate", dropped=0)
    assert round(health.inference_p50_ms, 6) == 50
    assert round(health.inference_p95_ms, 6) == 95


def test_a_lost_camera_has_a_reason_until_its_next_frame() -> None:
    metrics = CameraMetrics()
    metrics.received()
    metrics.lost("camera gate is frozen")
    assert (metrics.snapshot("gate", dropped=0).connected, metrics.problem) == (
        False,
        "camera gate is frozen",
    )
    metrics.received()
    assert (metrics.connected, metrics.problem) == (True, None)
