"""One frame of one camera through everything: tags, motion filter, detector, tracks, hazards, evidence.

Returns reports and sends nothing. This module only fixes the order of the steps. `process` is called by the
camera's thread; `tallies` and `prototypes` may be called by another.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edge.camera.health import CameraMetrics
from edge.camera.motion_filter import MotionFilter
from edge.comparisons import FrameComparisons, Inferred, Job, processor_time
from edge.errors import DetectorError
from edge.evidence.collector import Comparisons, Evidence, EvidenceCollector, FrameContext, track_key
from edge.evidence.kept_frames import KeptFrames
from edge.evidence.recall_counter import above_threshold, recall_tallies
from edge.evidence.teacher import Teacher, TeacherResult
from edge.live.frames import LiveFrames
from edge.metrics import NodeMetrics
from edge.privacy.accountant import PrivacyAccountant
from edge.privacy.appearances import Contribution
from edge.privacy.camera_prototypes import CameraPrototypes
from edge.rounding import minute_of
from edge.settings import CameraSettings, EvidenceSettings, TeacherSettings
from edge.tracking.hazard_rules import CameraView, HazardRules
from edge.tracking.open_hazards import OpenHazards
from edge.tracking.tracker import (
    SINGLE_IMAGE,
    SPARSE_FRAMES,
    ByteTracker,
    TrackerSettings,
    TrackState,
    TrackUpdate,
    begins_tracks_again,
)
from edge.updates.hot_swap import SwappableDetector
from edge.updates.shadow import ShadowRun
from edge.vision.conditions import ConditionMemory
from edge.vision.detections import Detections
from edge.vision.detector import Detector
from edge.vision.frames import Frame, SizeChange
from edge.vision.prototypes import PrototypeKey
from edge.zones import Zone
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.releases import BundleDescription
from messaging.reports import EvidenceSource, Report

logger = logging.getLogger(__name__)

_TIMED_EVERY = 4


@dataclass(frozen=True)
class FrameResult:
    """The result of one frame. `skipped`: the motion filter found that it needs no inference."""

    reports: list[Report] = field(default_factory=list)
    skipped: bool = False
    inference_s: float | None = None
    tracking_s: float | None = None


@dataclass(frozen=True)
class PipelineParts:
    """The objects that a camera's pipeline uses; some are shared by all cameras of a node."""

    detector: SwappableDetector
    teacher: SwappableDetector
    accountant: PrivacyAccountant
    metrics: NodeMetrics
    new_id: Callable[[], str]
    evidence: EvidenceSettings
    teaching: TeacherSettings
    open_hazards: OpenHazards
    cameras: int = 1
    sums: Path | None = None
    live: LiveFrames = field(default_factory=LiveFrames)


class CameraPipeline:
    """The state of one camera from frame to frame."""

    def __init__(self, camera: CameraSettings, parts: PipelineParts, health: CameraMetrics) -> None:
        """Needs a detector with a model: its bundle has classes, thresholds and embedding width."""
        bundle = parts.detector.description
        self._camera, self._parts = camera.name, parts
        self._digest, self._description = parts.detector.digest, bundle
        self.health, self._stills = health, camera.stills
        self._tags = ConditionMemory(interval_s=0.0 if camera.stills else 1.0)
        self._motion = MotionFilter()
        self._tracker = ByteTracker(bundle, SINGLE_IMAGE if camera.stills else TrackerSettings())
        self._sparse = SINGLE_IMAGE if camera.stills else SPARSE_FRAMES
        zones = tuple(Zone(name, corners) for name, corners in camera.zones.items())
        self._rules = HazardRules(
            camera.name, bundle, parts.new_id, zones=zones, open_events=parts.open_hazards.events
        )
        self._prototypes = CameraPrototypes(camera, bundle, parts.accountant, parts.sums)
        self._collector = EvidenceCollector(camera.name, bundle, appearances=self._prototypes.appearances)
        self._teacher: Teacher | None = None
        self.comparisons = FrameComparisons(
            parts.teacher,
            step_factor=parts.teaching.step_factor(camera, parts.cameras),
            inline=camera.stills or camera.unpaced,
            stills=camera.stills,
        )
        self.kept = KeptFrames(parts.evidence.kept_frames)
        self._lock = threading.Lock()
        self._last: tuple[float, CameraView] | None = None

    def process(self, frame: Frame, shadow: ShadowRun | None = None) -> FrameResult:
        """Process one frame. Raises `DetectorError` if inference failed, which is not an empty street."""
        with self._lock:
            return self._process(frame, shadow)

    def _process(self, frame: Frame, shadow: ShadowRun | None) -> FrameResult:
        self.health.received()
        tags = self._tags.observe(frame.image, frame.time_s)
        self.health.tagged(tags.condition)
        motion = None if self._stills else self._motion.observe(frame.image, frame.time_s)
        if motion and self._parts.evidence.motion_filter and not motion.needs_inference:
            self.health.skipped += 1
            self._parts.live.offer(frame)
            return FrameResult(skipped=True)
        started = time.perf_counter()
        model, found = self._detect(frame)
        taken_s = time.perf_counter() - started
        self.health.processed(taken_s)
        self._parts.live.inferred(frame, found, model.description)
        height, width = frame.image.shape[:2]
        self._resize(width, height)
        update = self._tracker.update(found, frame.time_s)
        track_s = time.perf_counter() - started - taken_s
        self._prototypes.observe({track_key(t.id): t.xyxy for t in update.active}, frame.time_s)
        view = CameraView(width, height, tags, frame.captured_at_utc)
        self._last = (frame.time_s, view)
        hazards = self._rules.observe(update, view, self._digest)
        self._parts.open_hazards.record(hazards)
        reading = motion if self._parts.evidence.motion else None
        context = FrameContext(frame, tags, found, self._digest, None if self._stills else update, reading)
        evidence = self._collect_evidence(model, context)
        self._remember(model.description, update, evidence, context)
        self._count(model.description, found, evidence)
        beside = shadow if shadow is not None and shadow.incumbent_digest == self._digest else None
        job = Job(context, model, taken_s, None, beside, (width, height))
        self.kept.offer(context, model.description)
        self.comparisons.offer(job, views=self._views_are_due())
        dropped = self.comparisons.take_dropped()
        self._parts.metrics.frames.labels(self._camera, "comparison_dropped").inc(dropped)
        return FrameResult([*hazards, *(e.report for e in evidence)], inference_s=taken_s, tracking_s=track_s)

    def compare(self) -> list[Report] | None:
        """Compare the next frame that waits; None if none does. Called beside `process`, by one thread.

        Inference happens without the lock, so that no frame waits for it.
        """
        job = self.comparisons.take()
        if job is None:
            return None
        began = processor_time()
        teacher = self._present_teacher() if job.weight is not None else None
        inferred = self.comparisons.infer(job, self._collector.floor, teacher)
        if inferred.failed is not None:
            self._parts.metrics.frames.labels(self._camera, inferred.failed).inc()
        with self._lock:
            found = self._settle(job, inferred, teacher)
        if found is None:
            return []
        evidence, result = found
        if job.shadow is not None and job.weight is not None:
            self._show_to(job.shadow, job, result)
        evidence = self._embedded(job, evidence)
        if job.weight is not None:
            self.comparisons.note_cost(processor_time() - began)
        with self._lock:
            self._remember(job.model.description, None, evidence, job.context)
            self._count(job.model.description, None, evidence)
        return [item.report for item in evidence]

    def _settle(
        self, job: Job, inferred: Inferred, teacher: Teacher | None
    ) -> tuple[list[Evidence], TeacherResult | None] | None:
        """Evidence of a comparison and the teacher's result; None if model or frame size changed."""
        context, size = job.context, self._last[1] if self._last else None
        if context.model_digest != self._digest or size is None:
            return None
        if job.width_height != (size.width, size.height) and not self._stills:
            return None
        result = None
        if teacher is not None and inferred.teacher is not None and teacher is self._teacher:
            teacher.keep_lost(self.comparisons.longest_gap_s)
            result = teacher.observe(
                context.frame,
                context.detections,
                context.tags.condition,
                inferred.teacher,
                job.weight or 1.0,
            )
            self.health.taught += 1
        evidence = self._collector.compare(context, Comparisons(inferred.views, result))
        if any(item.report.evidence is EvidenceSource.VIEW_DISAGREEMENT for item in evidence):
            self.comparisons.note_disagreement(context.frame.time_s)
        return evidence, result

    def _embedded(self, job: Job, evidence: list[Evidence]) -> list[Evidence]:
        """Evidence with its embeddings; without them if inference failed."""
        if not evidence:
            return []
        try:
            vectors = job.model.embed(job.context.frame.image, np.stack([item.xyxy for item in evidence]))
        except DetectorError:
            self._parts.metrics.frames.labels(self._camera, "evidence_failed").inc()
            return evidence
        return [replace(item, embedding=vector) for item, vector in zip(evidence, vectors, strict=True)]

    def _present_teacher(self) -> Teacher | None:
        """The camera's view of the teacher, from the first frame on for which the site has one."""
        if not self._parts.teacher.ready:
            return None
        with self._lock:
            if self._teacher is None:
                self._teacher = Teacher(
                    self._parts.teacher, self._description, self._sparse, self.comparisons.sampler.inclusion
                )
            return self._teacher

    def _show_to(self, shadow: ShadowRun, job: Job, result: TeacherResult | None) -> None:
        shadow.process(
            self._camera,
            job.context.frame.image,
            job.context.detections,
            condition=job.context.tags.condition,
            time_s=job.context.frame.time_s,
            incumbent_ms=self._timed_again(job),
            teacher=result.boxes if result else None,
            tracking=self._sparse,
            weight=job.weight or 1.0,
        )

    def _timed_again(self, job: Job) -> float | None:
        """Milliseconds of the model in service on this frame, under the same load as the candidate.

        Beside the frames it is run again for some of them; for the others there is no latency.
        """
        if self.comparisons.inline:
            return 1000 * job.taken_s
        if self.health.taught % _TIMED_EVERY:
            return None
        began = time.perf_counter()
        try:
            job.model.detect([job.context.frame.image])
        except DetectorError:
            return None
        return 1000 * (time.perf_counter() - began)

    def _views_are_due(self) -> bool:
        """Every n-th frame, and every still."""
        return self._stills or self.health.frames % self._parts.evidence.second_view_every == 0

    def end(self, at_utc: float) -> list[Report]:
        """The footage has ended: compare what waits, close open events, return the last counts."""
        self.comparisons.end()
        late: list[Report] = []
        while (reports := self.compare()) is not None:
            late += reports
        with self._lock:
            self._tracker.end()
            closed = [] if self._last is None else self._rules.close_all(*self._last, self._digest)
            self._parts.open_hazards.record(closed)
        return [*late, *closed, *self.stop(at_utc)]

    def stop(self, at_utc: float) -> list[Report]:
        """The node stops: return the last counts; open events stay open and continue after the next start."""
        with self._lock:
            if self._teacher is not None:
                self._teacher.end()
        return self.tallies(at_utc)

    def tallies(self, at_utc: float) -> list[Report]:
        """Recall tallies of the teacher's tracks that ended, of each class and condition with enough."""
        with self._lock:
            return list(
                recall_tallies(
                    self._teacher.take(self._parts.accountant.settings.tally_tracks) if self._teacher else (),
                    self._description.class_names,
                    camera=self._camera,
                    model_digest=self._digest,
                    minute_utc=minute_of(at_utc),
                    source=EvidenceSource.TEACHER,
                )
            )

    def prototypes(self, at_utc: float) -> list[Report]:
        """Prototypes with enough tracks for the signal asked for, within the camera's privacy budget."""
        with self._lock:
            released, withheld = self._prototypes.release(at_utc)
        self._prototypes.keep()
        self._parts.metrics.withheld.labels(self._camera, "budget").inc(withheld)
        return list(released)

    def _resize(self, width: int, height: int) -> None:
        """Carry what is kept in pixels over to a frame of another size than the last processed one."""
        if self._last is None or (self._last[1].width, self._last[1].height) == (width, height):
            return
        time_s, view = self._last
        before, self._last = (view.width, view.height), (time_s, replace(view, width=width, height=height))
        if not self._stills:
            logger.info(
                "camera %s: frames of %d x %d pixels, before %d x %d", self._camera, width, height, *before
            )
        change = SizeChange.between(before, (width, height))
        self._tracker.resize(change)
        self._rules.resize(change)
        self._collector.resize(change)
        self._prototypes.appearances.resize(change)
        if not self._stills:
            self.comparisons.discard()
        if self._teacher is not None:
            self._teacher.resize(change)

    def _detect(self, frame: Frame) -> tuple[Detector, Detections]:
        """Run the detector; the returned model is used for the whole frame, whatever is swapped meanwhile."""
        floor = min(self._tracker.floor, self._collector.floor)
        try:
            model, found = self._parts.detector.detect_frame(frame.image, floor=floor)
        except DetectorError:
            self._collector.detection_failed()
            raise
        if model.digest != self._digest:
            self._follow(model)
        return model, found

    def _follow(self, model: Detector) -> None:
        """Use the thresholds of another model from this frame on, and start new counts.

        Class indices keep their meaning: `edge.updates.incoming_orders` refuses a release without the classes
        of the one before, first and in the same order. Tracks begin again after a downgrade to fewer classes,
        and where embeddings are of another space.
        """
        if begins_tracks_again(self._description, model.description):
            self._tracker.end()
        self._digest, self._description = model.digest, model.description
        self._tracker.describe(model.description)
        self._rules.follow(model.description)
        self._collector.describe(model.description)
        self._prototypes.follow(model.description)
        self.comparisons.discard()
        if self._teacher is not None:
            self._teacher.follow(model.description)

    def _collect_evidence(self, model: Detector, context: FrameContext) -> list[Evidence]:
        """Evidence that the model erred; none of a frame whose misses could not be embedded."""
        try:
            return self._collector.observe(context, embed=model.embed)
        except DetectorError:
            self._collector.detection_failed()
            self._parts.metrics.frames.labels(self._camera, "evidence_failed").inc()
            return []

    def _remember(
        self,
        bundle: BundleDescription,
        update: TrackUpdate | None,
        evidence: list[Evidence],
        context: FrameContext,
    ) -> None:
        """Offer vectors to the prototypes: of ended tracks, and of misses whose class is known.

        In stills a track ends with its image.
        """
        condition, space = context.tags.condition, bundle.embedding_digest
        ended = () if update is None else update.active if self._stills else update.ended
        for track in ended:
            if track.state is not TrackState.TENTATIVE and track.embedding is not None:
                key = PrototypeKey(bundle.class_names[track.class_id], condition, space)
                self._prototypes.offer(
                    Contribution(key, track.embedding, track.strong_hits),
                    *(track.history[-1].xyxy, track.last_seen_s, track_key(track.id)),
                )
        for item in evidence:
            if item.embedding is not None and item.report.class_name != UNKNOWN_CLASS:
                key = PrototypeKey(item.report.class_name, condition, space)
                self._prototypes.offer(
                    Contribution(key, item.embedding, 1),
                    *(item.xyxy, context.frame.time_s, item.track_key),
                )

    def _count(self, bundle: BundleDescription, found: Detections | None, evidence: list[Evidence]) -> None:
        metrics = self._parts.metrics
        for class_id in () if found is None else above_threshold(found, bundle).class_id:
            self.health.detections += 1
            metrics.detections.labels(self._camera, bundle.class_names[class_id]).inc()
        for item in evidence:
            self.health.misdetections += 1
            metrics.misdetections.labels(self._camera, item.report.class_name, item.report.evidence).inc()
