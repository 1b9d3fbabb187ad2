"""Seconds of images: own times where there are some, the rate otherwise, never backwards."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera.file_timeline import FileTimeline


def stamped(times: list[float | None], fps: float = 5.0) -> list[float]:
    timeline = FileTimeline()
    return [timeline.next_s(time_s, fps) for time_s in times]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param([None] * 4, [0, 0.2, 0.4, 0.6], id="no times"),
        pytest.param([0, 20, 40], [0, 20, 40], id="time-lapse"),
        pytest.param([1.7e9, 1.7e9 + 10, 1.7e9 + 20], [0, 10, 20], id="seconds since 1970"),
        pytest.param([0, 0.5, 0, 0.5], [0, 0.5, 0.7, 1.2], id="a second pass"),
        pytest.param([0, 7200, 7200.5], [0, 0.2, 0.7], id="two hours later is another scale"),
        pytest.param([5, None, 6, 7], [0, 0.2, 0.4, 1.4], id="one without a time"),
        pytest.param([10, 10, 10, 11, 11, 12], [0, 0.04, 0.08, 1, 1.04, 2], id="names to the second"),
    ],
)
def test_seconds_follow_the_medium(own: list[float | None], expected: list[float]) -> None:
    assert stamped(own) == pytest.approx(expected, abs=1e-4)


@given(st.lists(st.one_of(st.none(), st.floats(-1e10, 1e10)), max_size=40), st.floats(0.001, 1000))
def test_seconds_always_rise(own: list[float | None], fps: float) -> None:
    seconds = stamped(own, fps)
    assert all(b > a for a, b in itertools.pairwise(seconds))
