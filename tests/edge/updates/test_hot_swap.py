"""A candidate is tested beside the incumbent, swapped in between frames, and swapped back when it fails."""

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edge.errors import CandidateRefused, DetectorError
from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.vision.detections import Detections
from edge.vision.onnx_detector import OnnxDetector
from edge.vision.time_limits import TimeLimits
from messaging.blobs import digest_of
from messaging.releases import Channel
from messaging.reports import SwapReason
from messaging.trust.manifest import ReleaseManifest
from tests.support.edge.tiny_bundles import slow_on_bright, tiny_bundle, tiny_description
from tests.support.fake_detector import CLASSES, FakeDetector, describe, fake_bundle, load_fake
from tests.support.waiting import wait_until

IMAGE = np.zeros((48, 64, 3), np.uint8)
DARK, BRIGHT = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
POLICY = SwapPolicy(latency_factor=2.5, repeats=1, failures_in_a_row=3, golden_every_s=0.0)


def manifest_of(data: bytes, name: str = "fake", class_names: tuple[str, ...] = CLASSES) -> ReleaseManifest:
    return ReleaseManifest.of(
        describe(name, class_names),
        digest=digest_of(data),
        length_bytes=len(data),
        channel=Channel.SERVICE,
        version=1,
    )


def in_service(name: str = "old", load: Callable[[bytes], FakeDetector] = load_fake) -> SwappableDetector:
    detector = SwappableDetector(load, POLICY)
    detector.serve(load_fake(fake_bundle(name)))
    return detector


def prepared(detector: SwappableDetector, name: str, kind: str = "good") -> FakeDetector:
    data = fake_bundle(name, kind=kind)
    candidate = detector.prepare(data, manifest_of(data, name))
    assert isinstance(candidate, FakeDetector)
    return candidate


def test_before_the_first_release_inference_raises_an_error() -> None:
    detector = SwappableDetector(load_fake, POLICY)
    assert not detector.ready
    with pytest.raises(DetectorError, match="waits for its first release"):
        detector.detect_frame(IMAGE)
    with pytest.raises(DetectorError):
        _ = detector.digest


def test_a_good_candidate_is_put_in_service_and_the_old_model_is_released() -> None:
    detector = in_service()
    detector.detect_frame(IMAGE)
    candidate = prepared(detector, "new")
    detector.swap(candidate)
    assert detector.digest == candidate.digest
    assert detector.description.name == "new"
    for _ in range(2):
        detector.detect_frame(IMAGE)
    assert (detector.good_frames, detector.frames_lost) == (2, 0)
    detector.settle()
    assert detector.probation_s is None


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("broken", SwapReason.BAD_BUNDLE),
        ("unsafe", SwapReason.UNSAFE_GRAPH),
        ("nan", SwapReason.SELF_TEST_FAILED),
        ("failing", SwapReason.SELF_TEST_FAILED),
        ("slow", SwapReason.TOO_SLOW),
    ],
)
def test_a_candidate_that_fails_its_self_test_is_never_in_service(kind: str, reason: SwapReason) -> None:
    detector = in_service()
    detector.detect_frame(IMAGE)
    with pytest.raises(CandidateRefused) as refused:
        prepared(detector, "new", kind)
    assert refused.value.reason is reason
    assert detector.description.name == "old"
    assert detector.probation_s is None


def test_a_bundle_with_other_classes_than_signed_is_refused() -> None:
    data = fake_bundle("new", class_names=["cat", "dog"])
    with pytest.raises(CandidateRefused, match="has cat, dog") as refused:
        in_service().prepare(data, manifest_of(data, "new"))
    assert refused.value.reason is SwapReason.WRONG_CLASSES


def test_a_bundle_that_describes_itself_otherwise_than_signed_is_refused() -> None:
    data = fake_bundle("new")
    with pytest.raises(CandidateRefused, match="is not the signed one") as refused:
        in_service().prepare(data, manifest_of(data, "another"))
    assert refused.value.reason is SwapReason.BAD_BUNDLE


def test_a_candidate_that_fails_in_service_is_rolled_back_and_no_frame_is_lost() -> None:
    detector = in_service()
    candidate = prepared(detector, "new")
    detector.swap(candidate)
    candidate.kind = "failing"
    answers = [detector.detect_frame(IMAGE) for _ in range(5)]
    assert {(model.description.name, len(found)) for model, found in answers} == {("old", 1)}
    assert detector.failed is SwapReason.CRASHED
    assert detector.description.name == "old"
    assert detector.frames_lost == 0


def test_a_candidate_that_names_a_class_it_does_not_have_is_rolled_back_and_no_frame_is_lost() -> None:
    detector = in_service()
    candidate = prepared(detector, "new")
    detector.swap(candidate)
    wrong = Detections.of([[1, 1, 9, 9]], [0.9], [len(CLASSES)], embedding=np.zeros((1, 4)))
    candidate.script = [wrong] * POLICY.failures_in_a_row
    answers = [detector.detect_frame(IMAGE) for _ in range(POLICY.failures_in_a_row)]
    assert {(model.description.name, found.class_id.max()) for model, found in answers} == {("old", 0)}
    assert detector.failed is SwapReason.CRASHED


def test_a_single_failure_in_probation_does_not_roll_back() -> None:
    detector = in_service()
    candidate = prepared(detector, "new")
    detector.swap(candidate)
    for kind in ("failing", "nan", "good", "failing", "failing", "good"):
        candidate.kind = kind
        assert len(detector.detect_frame(IMAGE)[1]) == 1
    assert detector.failed is None
    assert detector.description.name == "new"


def test_after_probation_a_failure_is_a_failure_and_not_an_empty_street() -> None:
    detector = in_service()
    candidate = prepared(detector, "new")
    detector.swap(candidate)
    detector.settle()
    candidate.kind = "failing"
    with pytest.raises(DetectorError):
        detector.detect_frame(IMAGE)


def test_a_first_model_that_fails_leaves_the_node_without_one() -> None:
    detector = SwappableDetector(load_fake, POLICY)
    candidate = prepared(detector, "first")
    detector.swap(candidate)
    candidate.kind = "failing"
    for _ in range(3):
        with pytest.raises(DetectorError):
            detector.detect_frame(IMAGE)
    assert not detector.ready
    assert detector.failed is SwapReason.CRASHED


def test_a_second_swap_in_probation_still_rolls_back_to_the_model_that_passed_it() -> None:
    detector = in_service()
    detector.swap(prepared(detector, "new"))
    detector.swap(prepared(detector, "newer"))
    detector.roll_back(SwapReason.ORDERED_BACK)
    assert detector.description.name == "old"


def test_frames_are_processed_while_a_candidate_is_tested_and_swapped() -> None:
    detector = in_service()
    stop, failures, detected = threading.Event(), [], [0]

    def camera() -> None:
        while not stop.is_set():
            try:
                detected[0] += len(detector.detect_frame(IMAGE)[1])
            except DetectorError as error:
                failures.append(error)

    threads = [threading.Thread(target=camera) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(20):
        detector.swap(prepared(detector, f"model{number}"))
        if number % 3 == 0:
            detector.roll_back(SwapReason.ORDERED_BACK)
        else:
            detector.settle()
    stop.set()
    for thread in threads:
        thread.join(timeout=60)
    assert not failures
    assert detected[0] > 20
    assert detector.frames_lost == 0


@pytest.mark.parametrize("wrong", [{"latency_factor": 0.0}, {"repeats": 0}, {"golden_frames": 0}])
def test_a_policy_that_contradicts_itself_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        replace(POLICY, **wrong)  # type: ignore[arg-type]  # one wrong value a case


class Hanging:
    """Real models whose loop does not end on bright images, with a time limit of a fifth of a second."""

    def __init__(self) -> None:
        self.service = SwappableDetector(self.load, replace(POLICY, latency_factor=100.0))
        self.service.serve(self.load(tiny_bundle()))

    def load(self, data: bytes) -> OnnxDetector:
        return OnnxDetector(data, limits=TimeLimits(inference_s=0.2))

    def candidate(self) -> OnnxDetector:
        return self.load(tiny_bundle(change=slow_on_bright(2**62)))


def test_a_model_that_never_returns_is_rolled_back_and_no_frame_is_lost() -> None:
    hanging = Hanging()
    before = hanging.service.digest
    hanging.service.swap(hanging.candidate())
    assert hanging.service.detect_frame(DARK)[0].digest != before
    for _ in range(3):
        assert hanging.service.detect_frame(BRIGHT)[0].digest == before
    assert (hanging.service.failed, hanging.service.frames_lost) == (SwapReason.CRASHED, 0)
    assert hanging.service.digest == before


def test_a_model_that_never_returns_fails_its_self_test() -> None:
    hanging = Hanging()
    hanging.service.detect_frame(BRIGHT)
    data = tiny_bundle(change=slow_on_bright(2**62))
    manifest = ReleaseManifest.of(
        tiny_description(), digest=digest_of(data), length_bytes=len(data), channel=Channel.SERVICE, version=1
    )
    with pytest.raises(CandidateRefused, match="did not return within") as refused:
        hanging.service.prepare(data, manifest)
    assert refused.value.reason is SwapReason.SELF_TEST_FAILED


def test_cameras_that_wait_for_a_hanging_model_go_on_with_the_one_that_replaced_it() -> None:
    detector, release = in_service(), threading.Event()
    candidate = prepared(detector, "new")
    detector.swap(candidate)
    candidate.waits_for, calls = release, candidate.calls
    models: list[str] = []

    def camera() -> None:
        models.append(detector.detect_frame(IMAGE)[0].description.name)

    cameras = [threading.Thread(target=camera, daemon=True) for _ in range(3)]
    for thread in cameras:
        thread.start()
    wait_until(lambda: candidate.waiting)
    detector.roll_back(SwapReason.CRASHED)
    release.set()
    for thread in cameras:
        thread.join(5.0)
    assert sorted(models) == ["new", "old", "old"]
    assert candidate.calls == calls + 1
