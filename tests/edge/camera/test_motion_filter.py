import itertools

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.camera.motion_filter import MotionFilter, MotionSettings
from edge.vision.frames import MotionReading

Image = npt.NDArray[np.uint8]
FPS = 5.0
_COARSE = np.random.default_rng(0).integers(30, 225, (9, 16, 3)).astype(np.uint8)
STREET = cv2.resize(_COARSE, (640, 360), interpolation=cv2.INTER_CUBIC)


def watch(
    seconds: float, draw: object = None, *, sigma: float = 4.0, **changes: float
) -> list[MotionReading]:
    """Readings of a noisy street into which `draw(image, time_s)` draws."""
    rng = np.random.default_rng(1)
    subject = MotionFilter(MotionSettings(**changes))  # type: ignore[arg-type]  # floats only
    readings = []
    for i in range(int(seconds * FPS)):
        image = STREET.copy()
        if draw is not None:
            draw(image, i / FPS)  # type: ignore[operator]  # a function of the table
        noisy = np.clip(image + rng.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)
        readings.append(subject.observe(noisy, i / FPS))
    return readings


def square(image: Image, x: int, y: int, size: int = 50, value: int = 250) -> None:
    cv2.rectangle(image, (x, y), (x + size, y + size), (value, value, value), -1)


def covers(boxes: npt.NDArray[np.float32], x: float, y: float) -> bool:
    return bool(((boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])).any())


@pytest.mark.parametrize("sigma", [0.0, 4.0, 12.0], ids=["clean", "day noise", "night noise"])
def test_a_still_street_needs_inference_at_the_floor_rate_only(sigma: float) -> None:
    readings = watch(20, sigma=sigma, floor_interval_s=2.0)[int(4 * FPS) :]
    assert not any(len(r.persistent) for r in readings)
    assert sum(r.needs_inference for r in readings) == pytest.approx(16 / 2, abs=2)


def test_a_moving_object_needs_inference_and_has_a_box() -> None:
    def car(image: Image, time_s: float) -> None:
        if time_s > 6:
            square(image, int(60 * (time_s - 6)), 200)

    readings = watch(10, car, floor_interval_s=100.0)
    assert not any(r.needs_inference for r in readings[int(3 * FPS) : int(6 * FPS)])
    late = readings[int(7 * FPS) :]
    assert all(r.needs_inference for r in late)
    assert covers(late[-1].moving, 60 * 3.8 + 25, 225)


def test_a_new_static_object_becomes_persistent() -> None:
    def bag(image: Image, time_s: float) -> None:
        if time_s > 8:
            square(image, 300, 250)

    readings = watch(28, bag)
    assert not any(covers(r.persistent, 325, 275) for r in readings[: int(10 * FPS)])
    assert covers(readings[-1].new_static, 325, 275)
    assert covers(readings[-1].persistent, 325, 275)


def test_an_object_that_flickers_in_its_place_becomes_persistent() -> None:
    def flame(image: Image, time_s: float) -> None:
        if time_s > 8:
            square(image, 300, 250, value=150 + int(100 * np.sin(9 * time_s)))

    assert covers(watch(26, flame)[-1].persistent, 325, 275)


def test_a_passing_object_is_never_persistent_once_the_background_is_learned() -> None:
    def car(image: Image, time_s: float) -> None:
        if time_s > 3:
            square(image, int(120 * ((time_s - 3) % 12)) - 60, 200)

    assert not any(len(r.persistent) for r in watch(30, car))


def test_a_lamp_that_goes_out_is_no_region() -> None:
    def dim(image: Image, time_s: float) -> None:
        if time_s > 8:
            image[:] = (image * 0.55).astype(np.uint8)

    readings = watch(24, dim)
    assert not len(readings[-1].persistent)


def test_motion_of_a_fast_camera_is_found_within_a_tenth_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """25 frames a second: a still street stays at its floor rate, and frames between have the same motion."""
    monkeypatch.setitem(globals(), "FPS", 25.0)

    def car(image: Image, time_s: float) -> None:
        if time_s >= 8:
            square(image, 60 + int(120 * (time_s - 8)), 200)

    readings = watch(10, car, floor_interval_s=1.0)
    still, moving = readings[25 * 4 : 25 * 8], readings[25 * 8 :]
    assert sum(reading.needs_inference for reading in still) == 4
    assert [reading.needs_inference for reading in moving].index(True) <= 2
    assert sum(after.moving is before.moving for before, after in itertools.pairwise(moving)) >= 20
    assert covers(moving[-1].moving, 60 + 120 * 1.9 + 25, 225)


def test_the_filter_restarts_when_the_camera_is_turned() -> None:
    other = np.ascontiguousarray(255 - STREET[:, ::-1])

    def turn(image: Image, time_s: float) -> None:
        if time_s > 6:
            image[:] = other

    readings = watch(12, turn)
    assert any(r.whole_image for r in readings)
    assert not len(readings[-1].new_static)


def test_the_filter_restarts_at_another_image_size() -> None:
    subject = MotionFilter()
    subject.observe(STREET, 0.0)
    assert subject.observe(STREET[:240], 0.2).needs_inference


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2000), (2000, 1), (100_000, 1)])
def test_motion_of_a_strip_of_one_pixel_is_read_on_a_small_image(height: int, width: int) -> None:
    subject = MotionFilter()
    for second in range(8):
        assert isinstance(
            subject.observe(np.full((height, width, 3), 30 * second, np.uint8), second), MotionReading
        )
