"""Candidate -> warm-up -> self-test -> swap between two frames -> or back.

`SwappableDetector` is the detector that the cameras use. A candidate is loaded and tested beside it, in the
caller's thread, while frames are processed; the swap changes one reference between two calls. During
probation the old model processes the frames on which the new one fails, so no frame is lost, and a model that
fails several times in a row is taken out of service at once.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np

from edge.errors import BundleRefused, CandidateRefused, DetectorError, UnsafeGraph
from edge.vision.detection_speed import drawn_frame
from edge.vision.detections import Detections
from edge.vision.detector import Detector, Image
from edge.vision.providers import GrantedProvider
from messaging.releases import BundleDescription
from messaging.reports import SwapReason
from messaging.trust.manifest import ReleaseManifest

logger = logging.getLogger(__name__)

Loader = Callable[[bytes], Detector]
DRAWN_SIZE = (360, 640, 3)
_FREE: AbstractContextManager[object] = nullcontext()


@dataclass(frozen=True)
class SwapPolicy:
    """When a candidate may be put in service, and when it is taken out again.

    Attributes:
        latency_factor: largest ratio of its latency to the incumbent's, on the same frames.
        latency_always_fine_ms: a latency per frame that is never too slow.
        latency_budget_ms: largest latency per frame without an incumbent.
        repeats: runs over the test frames; the fastest counts, since others may have waited.
        failures_in_a_row: failed calls during probation that take it out of service.
        golden_frames, golden_every_s: number of recent frames kept for the test, and seconds between them.
    """

    latency_factor: float
    latency_always_fine_ms: float = 40.0
    latency_budget_ms: float = 2000.0
    repeats: int = 3
    failures_in_a_row: int = 3
    golden_frames: int = 4
    golden_every_s: float = 5.0

    def __post_init__(self) -> None:
        if min(self.latency_factor, self.latency_budget_ms) <= 0 or self.golden_every_s < 0:
            raise ValueError(f"latency limits must be positive; got {self}")
        if min(self.repeats, self.failures_in_a_row, self.golden_frames) < 1:
            raise ValueError(f"repeats, failures in a row and golden frames must be at least 1; got {self}")


class SwappableDetector:
    """The model in service, which can be changed while it is in use; safe to call from several threads."""

    def __init__(
        self, load: Loader, policy: SwapPolicy, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args: how bundle bytes become a detector, the limits, a monotonic clock in seconds."""
        self._load = load
        self._policy = policy
        self._clock = clock
        self._lock = threading.Lock()
        self._current: Detector | None = None
        self._fallback: Detector | None = None
        self._probation_since: float | None = None
        self._failures_in_a_row = 0
        self._failed: SwapReason | None = None
        self._good_frames = 0
        self._frames_lost = 0
        self._golden: deque[Image] = deque(maxlen=self._policy.golden_frames)
        self._golden_at = float("-inf")

    @property
    def ready(self) -> bool:
        """Whether there is a model at all; a node starts without one."""
        return self._current is not None

    @property
    def description(self) -> BundleDescription:
        """The description of the model in service. Raises `DetectorError` before the first one."""
        return self._present().description

    @property
    def digest(self) -> str:
        """The digest of the model in service. Raises `DetectorError` before the first one."""
        return self._present().digest

    @property
    def provider(self) -> GrantedProvider | None:
        """The execution provider of the model in service; None before the first one."""
        return None if self._current is None else self._current.provider

    @property
    def probation_s(self) -> float | None:
        """Seconds for which the model in service has been on probation; None if it is not."""
        return None if self._probation_since is None else self._clock() - self._probation_since

    @property
    def good_frames(self) -> int:
        """Frames that the model on probation has processed since the swap."""
        return self._good_frames

    @property
    def frames_lost(self) -> int:
        """Frames since the last swap on which both the new and the old model failed."""
        return self._frames_lost

    @property
    def failed(self) -> SwapReason | None:
        """Why the model on probation was taken out of service automatically; None if it was not."""
        return self._failed

    def detect_frame(self, image: Image, *, floor: float | None = None) -> tuple[Detector, Detections]:
        """The model that processed the frame, and its detections; see `Detector.detect`.

        Everything else about the frame (thresholds, embeddings, second views, the digest of its reports)
        belongs to the returned model, whatever is swapped in the meantime. During probation the old model
        processes the frames on which the new one fails.
        """
        with self._lock:
            current = self._present()
            self._remember(image)
            try:
                (found,) = current.detect([image], floor=floor)
                if self._probation_since is not None:
                    _check_sound([found], current.description)
            except DetectorError as error:
                return self._fall_back(image, floor, error)
            self._failures_in_a_row = 0
            self._good_frames += 1
            return current, found

    def prepare(self, data: bytes, manifest: ReleaseManifest) -> Detector:
        """Load a candidate, warm it up and test it; frames are processed meanwhile.

        Raises `CandidateRefused` with the reason that the receipt states.
        """
        candidate = self.load(data, manifest)
        frames = list(self._golden) or [drawn_frame(DRAWN_SIZE)]
        try:
            taken_s = self._fastest_run(candidate, frames)
        except DetectorError as error:
            raise CandidateRefused(
                f"candidate failed its self-test: {error}", SwapReason.SELF_TEST_FAILED
            ) from error
        allowed_s = self._allowed_s(frames)
        if taken_s > allowed_s:
            raise CandidateRefused(
                f"candidate took {1000 * taken_s:.0f} ms for {len(frames)} test frames, "
                f"{1000 * allowed_s:.0f} ms are allowed",
                SwapReason.TOO_SLOW,
            )
        return candidate

    def load(self, data: bytes, manifest: ReleaseManifest) -> Detector:
        """Load a model and compare it with its manifest. Raises `CandidateRefused`."""
        try:
            candidate = self._load(data)
        except UnsafeGraph as error:
            raise CandidateRefused(str(error), SwapReason.UNSAFE_GRAPH) from error
        except BundleRefused as error:
            raise CandidateRefused(str(error), SwapReason.BAD_BUNDLE) from error
        if candidate.description.class_names != manifest.class_names:
            raise CandidateRefused(
                f"bundle {manifest.digest[:12]} has {', '.join(candidate.description.class_names)}; signed "
                f"were {', '.join(manifest.class_names)}",
                SwapReason.WRONG_CLASSES,
            )
        if candidate.digest != manifest.digest or not manifest.agrees_with(candidate.description):
            raise CandidateRefused(
                f"the description of bundle {manifest.digest[:12]} is not the signed one",
                SwapReason.BAD_BUNDLE,
            )
        return candidate

    def serve(self, detector: Detector) -> None:
        """Put a model in service without probation: the one from before a restart."""
        with self._lock:
            self._current, self._fallback, self._probation_since = detector, None, None

    def swap(self, candidate: Detector) -> None:
        """Put a candidate in service between two calls, on probation; the old model stays in memory."""
        with self._lock:
            fallback = self._fallback if self._probation_since is not None else self._current
            same = fallback is not None and fallback.digest == candidate.digest
            self._current, self._fallback = candidate, None if same else fallback
            self._probation_since = self._clock()
            self._failures_in_a_row = self._good_frames = self._frames_lost = 0
            self._failed = None

    def settle(self) -> None:
        """The model has passed its probation; release the old one."""
        with self._lock:
            self._fallback, self._probation_since = None, None

    def roll_back(self, reason: SwapReason) -> None:
        """Put the old model back in service; without one there is none until the next release."""
        with self._lock:
            self._revert(reason)

    def accept_failure(self) -> None:
        """The failure has been recorded; forget it."""
        self._failed = None

    def _present(self) -> Detector:
        current = self._current
        if current is None:
            raise DetectorError("this node has no model yet; it waits for its first release")
        return current

    def _fall_back(
        self, image: Image, floor: float | None, error: DetectorError
    ) -> tuple[Detector, Detections]:
        """After a failed call: the old model processes the frame; without one, or if it fails too, raise."""
        if self._probation_since is None:
            raise error
        self._failures_in_a_row += 1
        logger.warning("model on probation failed (%d in a row): %s", self._failures_in_a_row, error)
        fallback = self._fallback
        if self._failures_in_a_row >= self._policy.failures_in_a_row:
            self._revert(SwapReason.CRASHED)
        try:
            if fallback is None:
                raise error
            (found,) = fallback.detect([image], floor=floor)
        except DetectorError:
            self._frames_lost += 1
            raise
        return fallback, found

    def _revert(self, reason: SwapReason) -> None:
        self._current, self._fallback, self._probation_since = self._fallback, None, None
        self._failed = reason

    def _remember(self, image: Image) -> None:
        now = self._clock()
        if now - self._golden_at >= self._policy.golden_every_s:
            self._golden.append(image)
            self._golden_at = now

    def _allowed_s(self, frames: Sequence[Image]) -> float:
        """Largest time in seconds for the test frames."""
        policy = self._policy
        if self._current is None:
            return len(frames) * policy.latency_budget_ms / 1000
        least_s = len(frames) * policy.latency_always_fine_ms / 1000
        try:
            return max(least_s, policy.latency_factor * self._fastest_run(self._current, frames, self._lock))
        except DetectorError:
            return len(frames) * policy.latency_budget_ms / 1000

    def _fastest_run(
        self, detector: Detector, frames: Sequence[Image], lock: AbstractContextManager[object] = _FREE
    ) -> float:
        """Seconds for all frames, each at its fastest run; `lock` is held for one run at a time.

        The first round is a warm-up. Raises `DetectorError`.
        """
        fastest = [float("inf")] * len(frames)
        for turn in range(self._policy.repeats + 1):
            for index, frame in enumerate(frames):
                with lock:
                    started = time.perf_counter()
                    found = detector.detect([frame])
                    taken = time.perf_counter() - started
                _check_sound(found, detector.description)
                if turn:
                    fastest[index] = min(fastest[index], taken)
        return sum(fastest)


def _check_sound(found: Sequence[Detections], description: BundleDescription) -> None:
    """Raise `DetectorError` unless boxes, confidences and classes are valid."""
    for seen in found:
        numbers = (seen.xyxy, seen.confidence, seen.embedding)
        if not all(np.isfinite(values).all() for values in numbers):
            raise DetectorError("detections contain numbers that are not finite")
        if len(seen) and not 0 <= seen.class_id.min() <= seen.class_id.max() < len(description.class_names):
            raise DetectorError(
                f"detections name class {seen.class_id.max()} of {len(description.class_names)}"
            )
