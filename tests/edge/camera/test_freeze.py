"""A frozen camera is told from one that looks at a still street."""

import numpy as np
import numpy.typing as npt
import pytest

from edge.camera.freeze import FreezeWatch, same_image

Image = npt.NDArray[np.uint8]
RNG = np.random.default_rng(1)
STREET: Image = RNG.integers(20, 230, (120, 160, 3)).astype(np.uint8)


def observed(watch: FreezeWatch, image: Image, seconds: float, begin_s: float = 0.0) -> float:
    """Give the image ten times a second; returns the end."""
    for step in range(round(10 * seconds) + 1):
        watch.observe(image, begin_s + step / 10)
    return begin_s + seconds


def noisy(deviation: float) -> Image:
    noise = RNG.normal(0, deviation, STREET.shape).round()
    return np.clip(STREET + noise, 0, 255).astype(np.uint8)


def test_one_and_the_same_image_for_the_whole_time_is_frozen() -> None:
    watch = FreezeWatch(5.0)
    observed(watch, STREET, 4.8)
    assert not watch.frozen
    observed(watch, STREET, 0.4, 4.8)
    assert watch.frozen


def test_what_an_encoder_adds_to_the_same_image_is_no_life() -> None:
    watch = FreezeWatch(5.0)
    for second in range(7):
        keyframe = STREET.copy()
        keyframe[::8, ::16] = np.clip(keyframe[::8, ::16].astype(int) + second % 2 * 5, 0, 255)
        observed(watch, keyframe, 0.9, float(second))
    assert watch.frozen


@pytest.mark.parametrize("deviation", [0.7, 1.0, 3.0])
def test_a_still_street_with_the_noise_of_a_sensor_is_not_frozen(deviation: float) -> None:
    watch = FreezeWatch(1.0)
    for step in range(50):
        watch.observe(noisy(deviation), step / 10)
        assert not watch.frozen


def test_a_small_new_object_ends_the_freeze_at_once() -> None:
    watch = FreezeWatch(1.0)
    end_s = observed(watch, STREET, 2.0)
    assert watch.frozen
    changed = STREET.copy()
    changed[60:72, 80:86] = 255
    watch.observe(changed, end_s + 0.01)
    assert not watch.frozen


def test_time_without_a_connection_does_not_count() -> None:
    watch = FreezeWatch(5.0)
    observed(watch, STREET, 2.0)
    watch.connected(100.0)
    observed(watch, STREET, 2.0, 100.0)
    assert not watch.frozen
    observed(watch, STREET, 2.0, 102.0)
    assert watch.frozen


def test_a_frozen_camera_is_reconnected_after_growing_waits() -> None:
    watch, due = FreezeWatch(1.0), []
    for step in range(400):
        watch.observe(STREET, step / 10)
        if watch.reconnect_due():
            due.append(step / 10)
    assert due == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], abs=0.6)


def test_a_image_of_another_size_is_another_image() -> None:
    assert not same_image(STREET, STREET[:60])
    assert same_image(STREET, STREET.copy())


def test_a_camera_that_sends_a_still_on_purpose_is_never_frozen() -> None:
    watch = FreezeWatch(None)
    observed(watch, STREET, 500.0)
    assert (watch.frozen, watch.reconnect_due()) == (False, False)
