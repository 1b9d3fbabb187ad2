"""Whether the model in service is worse there than the one before, on the frames that both have processed.

After a swap the model before runs beside the new one as the candidate of a shadow run does, for a while and
within the same part of a core. Both process the same frames, so that a change of the street is no change of
the model. The rules are for gross faults; whether a release is good enough is decided before its rollout.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from edge.rounding import minute_of
from edge.updates.hot_swap import SwappableDetector
from edge.updates.shadow import CANDIDATE, INCUMBENT, PairedCounts, ShadowRun
from edge.updates.weights_state import WeightsState
from edge.vision.detector import Detector
from messaging.releases import BundleDescription
from messaging.reports import GUARD_LEAST_TRACKS, MOST_PER_FRAME, GuardOutcome, GuardRecall, GuardReport

LEAST_TIMED, LEAST_TRACKS = 20, GUARD_LEAST_TRACKS
REPORT_EVERY_S = 600
SILENT_TRACKS = 20
UNTAUGHT_FACTOR = 4.0
BEFORE = CANDIDATE


@dataclass(frozen=True)
class GuardPolicy:
    """What is worse. The defaults are far from what a model does that passed its promotion.

    Attributes:
        for_s: how long after the swap, in seconds; 0: not at all.
        least_frames: frames that both models have processed before anything is concluded from boxes.
        latency_factor: largest ratio of median latencies, new to before.
        latency_always_fine_ms: a median latency that is never too slow.
        recall_drop: drop of recall on the teacher's tracks that is not yet worse, as a fraction of them.
        standard_errors: by how many the drop must exceed that.
        alarm_ratio: largest ratio of unconfirmed boxes, new to before.
        alarms_per_frame: unconfirmed boxes per frame that are never too many; without a teacher, where only
            the model before can confirm, `UNTAUGHT_FACTOR` times as many.
    """

    for_s: float = 1800.0
    least_frames: int = 100
    latency_factor: float = 4.0
    latency_always_fine_ms: float = 40.0
    recall_drop: float = 0.05
    standard_errors: float = 2.6
    alarm_ratio: float = 5.0
    alarms_per_frame: float = 1.0


def worse_in_service(seen: PairedCounts, policy: GuardPolicy) -> str | None:
    """Why the new model must go back, in one phrase; None if it may stay."""
    new_ms, before_ms = seen.median_ms
    allowed_ms = max(policy.latency_always_fine_ms, policy.latency_factor * before_ms)
    if seen.timed >= LEAST_TIMED and new_ms > allowed_ms:
        return f"a frame takes {new_ms:.0f} ms, {before_ms:.0f} ms before"
    if seen.frames < policy.least_frames:
        return None
    if not seen.with_boxes and seen.unsupported[BEFORE] >= SILENT_TRACKS:
        return f"no output in {seen.frames} frames; {seen.unsupported[BEFORE]} tracks before"
    new, before = (count / seen.frames for count in seen.unconfirmed)
    fine = policy.alarms_per_frame * (1.0 if seen.taught else UNTAUGHT_FACTOR)
    if new > max(fine, policy.alarm_ratio * before):
        return f"{new:.1f} unconfirmed boxes per frame, {before:.1f} before"
    won, lost = seen.alone
    if seen.taught and seen.supported >= LEAST_TRACKS and _misses_more(seen, policy):
        return f"it misses {lost} of {seen.supported} tracks that were detected before, and gains {won}"
    return None


def _misses_more(seen: PairedCounts, policy: GuardPolicy) -> bool:
    """Whether recall fell by more than is allowed, by the tracks that only one of the models detected.

    Of `n` such tracks the difference has a standard error of at most sqrt(n) (McNemar 1947).
    """
    won, lost = seen.alone
    excess = lost - won - policy.recall_drop * seen.supported
    return excess > policy.standard_errors * sqrt(lost + won)


class ServiceGuard:
    """The model before, beside the one in service, from a swap until it has served for `GuardPolicy.for_s`.

    An order back is not guarded: the operator refused the model before. `watch` is one thread's.
    """

    def __init__(
        self,
        policy: GuardPolicy,
        detector: SwappableDetector,
        teacher: Callable[[], BundleDescription | None],
    ) -> None:
        """Args: what is worse, the detector in service, the description of the teacher if there is one."""
        self._policy, self._detector, self._teacher = policy, detector, teacher
        self._before: Detector | None = None
        self._not_loaded: str | None = None
        self.run: ShadowRun | None = None
        self._reported_utc = 0
        self._finals: deque[GuardReport] = deque()

    def watch(
        self, state: WeightsState, load_before: Callable[[], Detector | None], now_utc: int
    ) -> str | None:
        """Begin, renew or end the comparison; returns why the model in service is worse, if it is."""
        if not self._due(state, now_utc):
            if self.run is not None and not self._outdated(self.run, state):
                self._end(self.run, GuardOutcome.PASSED, now_utc)
            self.run = self._before = None
            return None
        if self.run is None or self._outdated(self.run, state):
            self.run = self._begun(state, load_before)
            self._reported_utc = now_utc
        worse = None if self.run is None else worse_in_service(self.run.paired(), self._policy)
        if self.run is not None and worse is not None:
            self._end(self.run, GuardOutcome.WORSE, now_utc)
            self.run = self._before = None
        return worse

    def reports(self, now_utc: int) -> list[GuardReport]:
        """The comparison so far, every `REPORT_EVERY_S`, and those that have ended; from any thread."""
        found, run = [], self.run
        if run is not None and now_utc - self._reported_utc >= REPORT_EVERY_S:
            self._reported_utc = now_utc
            if run.paired().timed >= LEAST_TIMED:
                found.append(guard_report(run, GuardOutcome.COMPARING, now_utc))
        while self._finals:
            found.append(self._finals.popleft())
        return found

    def _end(self, run: ShadowRun, outcome: GuardOutcome, now_utc: int) -> None:
        """Of so few frames that nothing was measured there is no report."""
        if run.paired().timed >= LEAST_TIMED:
            self._finals.append(guard_report(run, outcome, now_utc))

    def _due(self, state: WeightsState, now_utc: int) -> bool:
        if state.previous is None or state.active is None or not self._detector.ready:
            return False
        recent = 0 <= now_utc - state.swapped_at_utc < self._policy.for_s
        return recent and self._detector.digest == state.active.digest

    def _outdated(self, run: ShadowRun, state: WeightsState) -> bool:
        """Whether the run is about other models than now, or another teacher."""
        previous = state.previous
        return (
            previous is None
            or run.candidate_digest != previous.digest
            or run.incumbent_digest != self._detector.digest
            or run.teacher != self._teacher()
        )

    def _begun(self, state: WeightsState, load_before: Callable[[], Detector | None]) -> ShadowRun | None:
        wanted = state.previous.digest if state.previous else None
        candidates = (self._before, self._detector.fallback)
        before = next((one for one in candidates if one is not None and one.digest == wanted), None)
        if before is None and wanted != self._not_loaded:
            before = load_before()
            self._not_loaded = None if before is not None else wanted
        self._before = before
        if before is None:
            return None
        service = self._detector.description
        return ShadowRun(before, service, self._detector.digest, teacher=self._teacher())


def guard_report(run: ShadowRun, outcome: GuardOutcome, now_utc: int) -> GuardReport:
    """What a comparison has measured of both models."""
    seen = run.paired()
    new, before = (min(MOST_PER_FRAME, count / max(1, seen.frames)) for count in seen.unconfirmed)
    recall = None
    if seen.taught and seen.supported >= LEAST_TRACKS:
        new_recall, recall_before = (count / seen.supported for count in seen.detected)
        recall = GuardRecall(supported=seen.supported, recall=new_recall, previous_recall=recall_before)
    return GuardReport(
        model_digest=run.incumbent_digest,
        previous_digest=run.candidate_digest,
        outcome=outcome,
        frames=seen.frames,
        output_fraction=seen.with_boxes / max(1, seen.frames),
        latency_ms=seen.median_ms[INCUMBENT],
        previous_latency_ms=seen.median_ms[BEFORE],
        alarms_per_frame=new,
        previous_alarms_per_frame=before,
        teacher_recall=recall,
        minute_utc=minute_of(now_utc),
    )
