"""One step of a node's updates: applies orders to the weights, the detector and the shadow run.

The node calls `start` once and `tick` every second or two, in a thread that may wait; frames are processed
meanwhile. Receipts wait in the store until they are sent.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from edge.errors import CandidateRefused
from edge.rounding import minute_of
from edge.updates.hot_swap import SwappableDetector
from edge.updates.service_guard import GuardPolicy, ServiceGuard
from edge.updates.shadow import ShadowRun
from edge.updates.weights_store import Action, WeightsStore
from edge.vision.detector import Detector
from messaging.errors import TrustError
from messaging.releases import BundleDescription
from messaging.reports import GuardReport, ShadowReport, SwapReason
from messaging.trust.manifest import ReleaseManifest

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialPolicy:
    """When a model that was just swapped in has passed its probation.

    Attributes:
        trial_s: time in service without a failure.
        frames: frames that it has processed; without them time alone proves nothing.
        failures: failed calls in a row after probation, on which the model before is put back in service.
    """

    trial_s: float
    frames: int
    failures: int = 10

    def held(self, age_s: float, good_frames: int) -> bool:
        """Whether a model has passed: `age_s` in service, with this many processed frames."""
        return age_s >= self.trial_s and good_frames >= self.frames


class ModelUpdates:
    """Store, detector and shadow run of one role of a node, changed together."""

    def __init__(
        self,
        store: WeightsStore,
        detector: SwappableDetector,
        *,
        policy: TrialPolicy,
        guard: GuardPolicy | None = None,
        teacher: Callable[[], BundleDescription | None] = lambda: None,
    ) -> None:
        """Build from its parts.

        Args:
            store: the node's models of a role.
            detector: the one in service.
            policy: when probation is passed.
            guard: when the model in service is worse than the one before; None: they are not compared.
            teacher: the description of the teacher, if there is one.
        """
        self.store = store
        self._detector = detector
        self._policy = policy
        self._teacher = teacher
        self._guard = None if guard is None else ServiceGuard(guard, detector, teacher)
        self._shadow: ShadowRun | None = None
        self._finals: deque[ShadowReport] = deque()

    @property
    def shadow(self) -> ShadowRun | None:
        """The shadow run to show frames to, while there is one: of a candidate, or of the model before."""
        if self._shadow is None and self._guard is not None:
            return self._guard.run
        return self._shadow

    def start(self, now_utc: int) -> None:
        """Load the model that served before the restart; if it does not load, the one before it."""
        while (active := self.store.active()) is not None:
            try:
                detector = self._detector.load(self.store.read(active), active.manifest)
            except (CandidateRefused, TrustError) as error:
                logger.error("model %s is put out of service: %s", active.digest[:12], error)
                self.store.roll_back(SwapReason(error.reason), now_utc)
                continue
            self._put_in_service(detector)
            return
        self._detector.withdraw()

    def stop(self) -> None:
        """The node stops as requested; nothing else of this object is running."""
        self.store.stopped()

    def tick(self, now_utc: int) -> None:
        """Check the model on probation, read new orders, and apply them."""
        self._watch_service(now_utc)
        self._watch_trial(now_utc)
        decision = self.store.poll(now_utc)
        if decision.action is not Action.SHADOW or self._outdated(decision.manifest):
            self._end_shadow(now_utc)
        if decision.action is Action.INSTALL:
            self._install(now_utc)
        elif decision.action is Action.SHADOW and self._shadow is None and self._detector.ready:
            self._begin_shadow(now_utc)

    def shadow_reports(self, now_utc: int) -> list[ShadowReport]:
        """Counts of the shadow run so far, then the final ones of runs that ended; from any thread."""
        shadow = self._shadow
        reports = [shadow.report(minute_of(now_utc))] if shadow else []
        while self._finals:
            reports.append(self._finals.popleft())
        return reports

    def guard_reports(self, now_utc: int) -> list[GuardReport]:
        """What the guard in service has measured, when it is due; from any thread."""
        return [] if self._guard is None else self._guard.reports(now_utc)

    def _watch_trial(self, now_utc: int) -> None:
        detector = self._detector
        if self.store.state.trial is None:
            if detector.failures_in_a_row >= self._policy.failures and self.store.previous() is not None:
                self._back_from_disk(SwapReason.CRASHED, now_utc)
            return
        if detector.failed is not None:
            self.store.roll_back(detector.failed, now_utc, frames_lost=detector.frames_lost)
            detector.accept_failure()
            if not detector.ready:
                self.start(now_utc)
        elif self._policy.held(detector.probation_s or 0.0, detector.good_frames):
            self.store.commit(now_utc, frames_lost=detector.frames_lost)
            detector.settle()

    def _watch_service(self, now_utc: int) -> None:
        """Compare the model in service with the one before, unless a candidate is shown the frames."""
        if self._guard is None or self._shadow is not None:
            return
        worse = self._guard.watch(self.store.state, self._before, now_utc)
        if worse is None:
            return
        logger.error("model %s is worse in service: %s", self._detector.digest[:12], worse)
        if self.store.state.trial is None:
            self._back_from_disk(SwapReason.WORSE_IN_SERVICE, now_utc)
        else:
            self._detector.roll_back(SwapReason.WORSE_IN_SERVICE)

    def _before(self) -> Detector | None:
        """The model before the one in service, from disk."""
        previous = self.store.previous()
        if previous is None:
            return None
        try:
            return self._detector.load(self.store.read(previous), previous.manifest)
        except (CandidateRefused, TrustError) as error:
            logger.warning("model %s cannot be compared with: %s", previous.digest[:12], error)
            return None

    def _back_from_disk(self, reason: SwapReason, now_utc: int) -> None:
        """A model that had passed its probation has failed: the one before is loaded again."""
        logger.error("model %s is put out of service: %s", self._detector.digest[:12], reason)
        self.store.roll_back(reason, now_utc, frames_lost=self._detector.frames_lost)
        self.start(now_utc)

    def _install(self, now_utc: int) -> None:
        candidate = self._prepared(now_utc)
        if candidate is not None:
            self.store.install(now_utc)
            self._detector.swap(candidate)

    def _begin_shadow(self, now_utc: int) -> None:
        candidate = self._prepared(now_utc)
        if candidate is None:
            return
        self._shadow = ShadowRun(
            candidate, self._detector.description, self._detector.digest, teacher=self._teacher()
        )
        self.store.shadow_begun(now_utc)

    def _prepared(self, now_utc: int) -> Detector | None:
        """The staged model, loaded and tested; None when it was refused, which the store has noted."""
        staged = self.store.staged()
        data = self.store.begin_load(now_utc)
        if staged is None or data is None:
            return None
        try:
            return self._detector.prepare(data, staged.manifest)
        except CandidateRefused as error:
            logger.warning("candidate %s refused: %s", staged.digest[:12], error)
            self.store.refuse(SwapReason(error.reason), now_utc)
            return None

    def _put_in_service(self, detector: Detector) -> None:
        """A model from before a restart; on probation again if its trial was not over."""
        if self.store.state.trial is None:
            self._detector.serve(detector)
        else:
            self._detector.swap(detector)

    def _outdated(self, manifest: ReleaseManifest | None) -> bool:
        """Whether the shadow run is about another candidate or another incumbent than now."""
        run = self._shadow
        return run is not None and (
            manifest is None
            or run.candidate_digest != manifest.digest
            or not self._detector.ready
            or run.teacher != self._teacher()
            or run.incumbent_digest != self._detector.digest
        )

    def _end_shadow(self, now_utc: int) -> None:
        if self._shadow is not None:
            shadow, self._shadow = self._shadow, None
            self._finals.append(shadow.report(minute_of(now_utc), final=True))
