"""Every call of a model has a time limit: loops are ended, and what cannot be ended is reported."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from edge.errors import BundleRefused, DetectorError
from edge.vision.onnx_detector import OnnxDetector
from edge.vision.time_limits import GRACE_S, CallWatch, TimeLimits
from tests.support.edge.tiny_bundles import slow_on_bright, tiny_bundle

DARK, BRIGHT = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
ENDLESS = 2**62
LIMITS = TimeLimits(inference_s=0.3, load_s=30.0)


def test_a_loop_that_does_not_end_is_a_failed_frame_and_the_next_frame_is_processed() -> None:
    detector = OnnxDetector(tiny_bundle(change=slow_on_bright(ENDLESS)), limits=LIMITS)
    for _ in range(2):
        assert not len(detector.detect([DARK])[0])
        with pytest.raises(DetectorError, match=r"did not return within 0\.3 s"):
            detector.detect([BRIGHT])


def test_the_limit_is_that_of_one_image_times_the_images() -> None:
    detector = OnnxDetector(tiny_bundle(change=slow_on_bright(ENDLESS)), limits=LIMITS)
    with pytest.raises(DetectorError, match=r"within 0\.6 s"):
        detector.detect([BRIGHT, BRIGHT])


def test_a_bundle_whose_first_run_does_not_end_is_refused() -> None:
    bundle = tiny_bundle(change=slow_on_bright(ENDLESS, limit=0.0))
    with pytest.raises(BundleRefused, match=r"loads but does not run: .* within 0\.3 s"):
        OnnxDetector(bundle, limits=TimeLimits(load_s=0.3))


class Watched:
    """A watch of which the test moves the clock; the process has this part of a core."""

    def __init__(self, cores: float = 1.0) -> None:
        self.now_s = 0.0
        self.stuck: list[str] = []
        self.watch = CallWatch(
            self.stuck.append, clock=lambda: self.now_s, processor=lambda: cores * self.now_s
        )

    def at(self, now_s: float) -> list[str]:
        self.now_s = now_s
        self.watch.inspect()
        return self.stuck


def test_a_process_that_gets_little_of_the_processor_may_take_longer_but_not_for_ever() -> None:
    watched, options = Watched(cores=0.1), SimpleNamespace(terminate=False)
    watched.watch.begin("digest", 5.0, options)
    for now_s in (0.2, 5.0, 14.9):
        watched.at(now_s)
        assert not options.terminate
    watched.at(15.0)
    assert options.terminate


def test_a_call_that_goes_on_after_it_was_ended_is_reported_once() -> None:
    watched, options = Watched(), SimpleNamespace(terminate=False)
    call = watched.watch.begin("digest", 5.0, options)
    assert watched.at(0.2) == watched.at(4.9) == []
    assert not options.terminate
    assert watched.at(5.0) == []
    assert options.terminate
    assert call.late
    assert watched.at(5.0 + GRACE_S) == watched.at(500.0) == ["digest"]


@pytest.mark.parametrize("ends_at_s", [4.0, 6.0])
def test_a_call_that_has_returned_is_not_reported(ends_at_s: float) -> None:
    watched = Watched()
    call = watched.watch.begin("digest", 5.0)
    watched.at(ends_at_s)
    watched.watch.end(call)
    assert watched.at(500.0) == []


def test_a_process_that_was_suspended_gives_its_calls_time_to_end() -> None:
    watched = Watched()
    call = watched.watch.begin("digest", 5.0)
    assert watched.at(86_400.0) == []
    watched.watch.end(call)
    assert watched.at(90_000.0) == []


def test_the_watch_takes_no_time_that_a_frame_could_notice() -> None:
    """A frame takes milliseconds; its entry in the watch is measured beside it, both at their fastest."""
    watch, options, rounds = CallWatch(), SimpleNamespace(terminate=False), 2000

    def seconds() -> float:
        began = time.perf_counter()
        for _ in range(rounds):
            watch.end(watch.begin("digest", 10.0, options))
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) / rounds < 50e-6
