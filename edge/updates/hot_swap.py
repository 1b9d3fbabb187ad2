"""Candidate -> warm-up -> self-test -> swap between two frames -> or back.

`SwappableDetector` is the detector that the cameras use. A candidate is loaded and tested beside it, in the
caller's thread, while frames are processed; the swap changes one reference between two calls. During
probation the old model processes the frames on which the new one fails, so no frame is lost, and a model that
fails several times in a row is taken out of service at once. A call that reaches its time limit has failed.
No reference waits for a call: a model can be replaced while its inference hangs.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

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
TURN_LIMIT_S = 5.0


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


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A model in memory; its calls take turns."""

    detector: Detector
    turn: threading.Lock = field(default_factory=threading.Lock)


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
        self._current: _Loaded | None = None
        self._fallback: _Loaded | None = None
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
        return self._present().detector.description

    @property
    def digest(self) -> str:
        """The digest of the model in service. Raises `DetectorError` before the first one."""
        return self._present().detector.digest

    @property
    def provider(self) -> GrantedProvider | None:
        """The execution provider of the model in service; None before the first one."""
        current = self._current
        return None if current is None else current.detector.provider

    @property
    def probation_s(self) -> float | None:
        """Seconds for which the model in service has been on probation; None if it is not."""
        since = self._probation_since
        return None if since is None else self._clock() - since

    @property
    def fallback(self) -> Detector | None:
        """The model that passed probation before the one that is on probation."""
        fallback = self._fallback
        return None if fallback is None else fallback.detector

    @property
    def good_frames(self) -> int:
        """Frames that the model in service has processed since the swap."""
        return self._good_frames

    @property
    def failures_in_a_row(self) -> int:
        """Failed calls of the model in service since its last good frame."""
        return self._failures_in_a_row

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
            self._remember(image)
        loaded, result = self._in_turn(image, floor)
        if isinstance(result, DetectorError):
            return self._fall_back(loaded, image, floor, result)
        with self._lock:
            if loaded is self._current:
                self._failures_in_a_row = 0
                self._good_frames += 1
        return loaded.detector, result

    def prepare(self, data: bytes, manifest: ReleaseManifest) -> Detector:
        """Load a candidate, warm it up and test it; frames are processed meanwhile.

        Raises `CandidateRefused` with the reason that the receipt states.
        """
        candidate = self.load(data, manifest)
        with self._lock:
            frames = list(self._golden) or [drawn_frame(DRAWN_SIZE)]
        try:
            taken_s = self._fastest_run(_Loaded(candidate), frames)
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
        """Put a model in service without probation: the one from before a restart or a rollback."""
        with self._lock:
            self._current, self._fallback, self._probation_since = _Loaded(detector), None, None
            self._failures_in_a_row = self._good_frames = 0

    def withdraw(self) -> None:
        """Take the model out of service; there is none until the next one."""
        with self._lock:
            self._current, self._fallback, self._probation_since = None, None, None

    def swap(self, candidate: Detector) -> None:
        """Put a candidate in service between two calls, on probation; the old model stays in memory."""
        with self._lock:
            fallback = self._fallback if self._probation_since is not None else self._current
            same = fallback is not None and fallback.detector.digest == candidate.digest
            self._current, self._fallback = _Loaded(candidate), None if same else fallback
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
        """The failure has been recorded; clear it."""
        self._failed = None

    def _present(self) -> _Loaded:
        current = self._current
        if current is None:
            raise DetectorError("this node has no model yet; it waits for its first release")
        return current

    def _in_turn(self, image: Image, floor: float | None) -> tuple[_Loaded, Detections | DetectorError]:
        """The model in service once its other calls have ended, and its detections or its failure."""
        while True:
            loaded = self._present()
            with loaded.turn:
                if loaded is not self._current:
                    continue
                try:
                    return loaded, self._infer(loaded.detector, image, floor)
                except DetectorError as error:
                    return loaded, error

    def _infer(self, detector: Detector, image: Image, floor: float | None) -> Detections:
        (found,) = detector.detect([image], floor=floor)
        if self._probation_since is not None:
            _check_sound([found], detector.description)
        return found

    def _fall_back(
        self, loaded: _Loaded, image: Image, floor: float | None, error: DetectorError
    ) -> tuple[Detector, Detections]:
        """After a failed call: another model processes the frame; without one, or if it fails too, raise."""
        with self._lock:
            other = self._noted_failure(loaded, error)
        try:
            if other is None:
                raise error
            with other.turn:
                (found,) = other.detector.detect([image], floor=floor)
        except DetectorError:
            with self._lock:
                self._frames_lost += 1
            raise
        return other.detector, found

    def _noted_failure(self, loaded: _Loaded, error: DetectorError) -> _Loaded | None:
        """The model that processes the frame instead: the fallback, or what was put in service meanwhile."""
        if loaded is not self._current:
            return self._current
        self._failures_in_a_row += 1
        if self._probation_since is None:
            return None
        logger.warning("model on probation failed (%d in a row): %s", self._failures_in_a_row, error)
        fallback = self._fallback
        if self._failures_in_a_row >= self._policy.failures_in_a_row:
            self._revert(SwapReason.CRASHED)
        return fallback

    def _revert(self, reason: SwapReason) -> None:
        self._current, self._fallback, self._probation_since = self._fallback, None, None
        self._failures_in_a_row = 0
        self._failed = reason

    def _remember(self, image: Image) -> None:
        now = self._clock()
        if now - self._golden_at >= self._policy.golden_every_s:
            self._golden.append(image)
            self._golden_at = now

    def _allowed_s(self, frames: Sequence[Image]) -> float:
        """Largest time in seconds for the test frames."""
        policy, current = self._policy, self._current
        if current is None:
            return len(frames) * policy.latency_budget_ms / 1000
        least_s = len(frames) * policy.latency_always_fine_ms / 1000
        try:
            return max(least_s, policy.latency_factor * self._fastest_run(current, frames))
        except DetectorError:
            return len(frames) * policy.latency_budget_ms / 1000

    def _fastest_run(self, loaded: _Loaded, frames: Sequence[Image]) -> float:
        """Seconds for all frames, each at its fastest run.

        The first round is a warm-up. Raises `DetectorError`.
        """
        fastest = [float("inf")] * len(frames)
        for turn in range(self._policy.repeats + 1):
            for index, frame in enumerate(frames):
                with _turn_of(loaded):
                    started = time.perf_counter()
                    found = loaded.detector.detect([frame])
                    taken = time.perf_counter() - started
                _check_sound(found, loaded.detector.description)
                if turn:
                    fastest[index] = min(fastest[index], taken)
        return sum(fastest)


@contextmanager
def _turn_of(loaded: _Loaded) -> Iterator[None]:
    """A turn that is not waited for longer than calls of a sound model last. Raises `DetectorError`."""
    if not loaded.turn.acquire(timeout=TURN_LIMIT_S):
        raise DetectorError(f"detector {loaded.detector.description.name} has not been free for a test")
    try:
        yield
    finally:
        loaded.turn.release()


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
