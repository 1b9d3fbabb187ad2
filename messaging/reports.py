"""The report payloads that a site sends. No field can hold pixels.

Every string is an enum, a slug, a digest or an id of fixed form; every number is bounded and rounded to
a coarse grid; every list has a maximum length. Times are whole seconds (evidence: whole minutes), boxes
are fractions of the frame rounded to 1/100. There is no free text: reasons are enums.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from messaging.fields import Count, Digest, Fraction, Grid, Milliseconds, Significant, Slug, Ulid
from messaging.releases import MAX_EMBEDDING, Channel, ExecutionProvider
from messaging.taxonomy import Condition, Light, Occlusion, RegionBin, Sharpness, SizeBin, Weather

LAST_UTC = 4_102_444_800
MOST_PER_FRAME, MOST_CAMERAS, GUARD_LEAST_TRACKS = 100.0, 16, 30

UtcSeconds = Annotated[int, Field(ge=0, le=LAST_UTC)]
UtcMinute = Annotated[int, Field(ge=0, le=LAST_UTC, multiple_of=60)]
RequestNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
TrackWeight = Annotated[float, Field(ge=0.0, le=100_000_000.0), Grid(0.01)]
BudgetEpsilon = Annotated[float, Field(ge=0.0, le=60.0), Grid(0.01)]
FramesPerSecond = Annotated[float, Field(ge=0.0, le=1000.0), Grid(0.1)]
PerFrame = Annotated[float, Field(ge=0.0, le=MOST_PER_FRAME), Grid(0.01)]


class Report(BaseModel):
    """Root of all payloads: immutable, no unknown fields, strict numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BoxGeometry(Report):
    """A box as fractions of frame width and height: centre and size, rounded to 0.01."""

    cx: Fraction
    cy: Fraction
    w: Fraction
    h: Fraction


class ConditionTags(Report):
    """Condition of the frame (light, weather), its sharpness, and size, region and occlusion of the box."""

    light: Light = Light.UNKNOWN
    weather: Weather = Weather.UNKNOWN
    sharpness: Sharpness = Sharpness.UNKNOWN
    size: SizeBin = SizeBin.UNKNOWN
    region: RegionBin = RegionBin.UNKNOWN
    occlusion: Occlusion = Occlusion.UNKNOWN

    @property
    def condition(self) -> Condition:
        """The part that names a failure mode."""
        return Condition(self.light, self.weather)


class HazardState(StrEnum):
    """State of a hazard event."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


class HazardEvent(Report):
    """A track that satisfied the hazard rules."""

    event: Ulid
    camera: Slug
    class_name: Slug
    state: HazardState
    severity: int = Field(ge=1, le=5)
    confidence: Fraction
    box: BoxGeometry
    tags: ConditionTags
    zone: Slug | None = None
    started_at_utc: UtcSeconds
    at_utc: UtcSeconds
    model_digest: Digest


class ErrorKind(StrEnum):
    """How the detector erred."""

    MISSED = "missed"
    FALSE_ALARM = "false_alarm"
    WRONG_CLASS = "wrong_class"
    POOR_BOX = "poor_box"


class EvidenceSource(StrEnum):
    """The method that found a misdetection or confirmed a track."""

    TRACK_GAP = "track_gap"
    VIEW_DISAGREEMENT = "view_disagreement"
    TEACHER = "teacher"
    MOTION = "motion"
    LOW_MARGIN = "low_margin"
    SHADOW = "shadow"
    OPERATOR = "operator"


class Misdetection(Report):
    """A report that the detector erred, one per track and kind. `class_name` may be `unknown`."""

    camera: Slug
    kind: ErrorKind
    class_name: Slug
    tags: ConditionTags
    box: BoxGeometry
    evidence: EvidenceSource
    probability: Fraction
    minute_utc: UtcMinute
    model_digest: Digest


class ClassPrototype(Report):
    """A noised mean of one camera's track embeddings of one class and condition.

    `vector` is in int8 steps of `scale`: the value is vector x scale. `tracks` is rounded down to tens
    (at least twenty). `noise_sigma` is the standard deviation of the noise per coordinate, `epsilon` the
    privacy cost of this prototype at `delta`, `epsilon_spent` the total of the camera.
    """

    camera: Slug
    class_name: Slug
    tags: ConditionTags
    vector: tuple[Annotated[int, Field(ge=-127, le=127)], ...] = Field(min_length=2, max_length=MAX_EMBEDDING)
    scale: Annotated[float, Field(gt=0.0, le=100.0), Significant(6)]
    embedding_digest: Digest
    tracks: int = Field(ge=20, le=1_000_000, multiple_of=10)
    noise_sigma: Annotated[float, Field(gt=0.0, le=1000.0), Significant(6)]
    epsilon: Annotated[float, Field(gt=0.0, le=100.0), Significant(6)]
    epsilon_spent: Annotated[float, Field(gt=0.0, le=1000.0), Significant(6)]
    delta: Annotated[float, Field(gt=0.0, le=0.01), Significant(6)]
    minute_utc: UtcMinute


class RecallTally(Report):
    """Counts behind estimated recall: one source, class, condition and model of one camera.

    `supported` tracks are confirmed by an independent source; the model in service reported `detected`
    of them. Counts are those since the previous tally, so that tallies can be added. The weight of a track is
    the inverse of the probability that the source confirmed it; the weights are the sums of those of the
    supported and of the detected tracks, and of their squares. None: every weight is 1.
    """

    camera: Slug
    class_name: Slug
    light: Light
    weather: Weather
    source: Literal[EvidenceSource.TEACHER, EvidenceSource.SHADOW, EvidenceSource.OPERATOR]
    model_digest: Digest
    supported: Count
    detected: Count
    supported_weight: TrackWeight | None = None
    detected_weight: TrackWeight | None = None
    squared_weight: TrackWeight | None = None
    minute_utc: UtcMinute


class ShadowTally(Report):
    """One class and condition of a shadow run, in tracks.

    `supported` tracks are confirmed by the teacher (or by both models where there is no teacher).
    """

    class_name: Slug
    light: Light
    weather: Weather
    supported: Count
    incumbent_detected: Count
    candidate_detected: Count
    incumbent_unsupported: Count
    candidate_unsupported: Count


class ShadowReport(Report):
    """Counts of a shadow run: candidate and incumbent on the same live frames of one site."""

    incumbent_digest: Digest
    candidate_digest: Digest
    frames: Count
    candidate_p95_ms: Milliseconds
    incumbent_p95_ms: Milliseconds
    candidate_failures: Count
    tallies: tuple[ShadowTally, ...] = Field(max_length=32)
    final: bool
    minute_utc: UtcMinute


class Verdict(StrEnum):
    """An operator's judgement of a hazard event or of a box."""

    CONFIRMED = "confirmed"
    FALSE_ALARM = "false_alarm"
    MISSED = "missed"
    WRONG_CLASS = "wrong_class"


class OperatorVerdict(Report):
    """An operator's verdict, entered at the site."""

    camera: Slug
    verdict: Verdict
    class_name: Slug
    event: Ulid | None = None
    box: BoxGeometry | None = None
    tags: ConditionTags
    minute_utc: UtcMinute


class AnswerOutcome(StrEnum):
    """What a site made of a verdict request.

    `confirmed`: it found what the person saw, the model in service had not reported it, and a misdetection is
    on its way. `detected`: the model in service reported it then. `not_found`: the frames that are kept show
    nothing of the class. `no_teacher`: nor does the model in service, and there was no teacher to ask.
    `not_kept`: no frame of that time is kept. `not_known`: the site has no such camera, or its model no such
    class.
    """

    CONFIRMED = "confirmed"
    DETECTED = "detected"
    NOT_FOUND = "not_found"
    NO_TEACHER = "no_teacher"
    NOT_KEPT = "not_kept"
    NOT_KNOWN = "not_known"


class VerdictAnswer(Report):
    """A site's answer to a verdict request, which it names by its number."""

    request: RequestNumber
    outcome: AnswerOutcome
    minute_utc: UtcMinute


class SwapOutcome(StrEnum):
    """The outcome of a rollout order at a site."""

    SHADOWING = "shadowing"
    INSTALLED = "installed"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"


class SwapReason(StrEnum):
    """The reason of the outcome; `none` on success."""

    NONE = "none"
    BAD_SIGNATURE = "bad_signature"
    OLDER_VERSION = "older_version"
    EXPIRED = "expired"
    WRONG_LENGTH = "wrong_length"
    WRONG_DIGEST = "wrong_digest"
    UNKNOWN_RELEASE = "unknown_release"
    NOT_FOR_SERVICE = "not_for_service"
    WRONG_SITE = "wrong_site"
    BAD_BUNDLE = "bad_bundle"
    WRONG_CLASSES = "wrong_classes"
    UNSAFE_GRAPH = "unsafe_graph"
    SELF_TEST_FAILED = "self_test_failed"
    TOO_SLOW = "too_slow"
    CRASHED = "crashed"
    WORSE_IN_SERVICE = "worse_in_service"
    ORDERED_BACK = "ordered_back"
    CLOCK_NOT_SANE = "clock_not_sane"


class SwapReceipt(Report):
    """What a site did with a rollout order."""

    sequence: int = Field(ge=0, le=2**53)
    digest: Digest
    previous_digest: Digest | None
    channel: Channel
    outcome: SwapOutcome
    reason: SwapReason
    frames_lost: Count
    at_utc: UtcSeconds


class GuardOutcome(StrEnum):
    """What has come of the comparison of a model in service with the one before."""

    COMPARING = "comparing"
    PASSED = "passed"
    WORSE = "worse"


class GuardRecall(Report):
    """Recall of both models on the teacher's tracks; `supported` is the number of these tracks."""

    supported: int = Field(ge=GUARD_LEAST_TRACKS, le=10_000_000)
    recall: Fraction
    previous_recall: Fraction


class GuardReport(Report):
    """What the guard of a site measures of the model in service beside the one before, on the same frames.

    Totals over all cameras and classes since the comparison began. `output_fraction`: frames with a box of
    the model in service. `latency_ms`: median. `alarms_per_frame`: boxes that the teacher (without one: the
    other model) does not confirm. `teacher_recall`: None without a teacher or `GUARD_LEAST_TRACKS` tracks.
    """

    model_digest: Digest
    previous_digest: Digest
    outcome: GuardOutcome
    frames: Count
    output_fraction: Fraction
    latency_ms: Milliseconds
    previous_latency_ms: Milliseconds
    alarms_per_frame: PerFrame
    previous_alarms_per_frame: PerFrame
    teacher_recall: GuardRecall | None
    minute_utc: UtcMinute


class AccountState(StrEnum):
    """Of a privacy account: it has room for a release, has none, or was lost and so counts as spent."""

    OPEN = "open"
    SPENT = "spent"
    LOST = "lost"


class PrivacyBudget(Report):
    """A camera's budget (epsilon) in so many days in which its node runs, and what is left of it."""

    epsilon: BudgetEpsilon
    window_days: int = Field(ge=1, le=3650)
    epsilon_left: BudgetEpsilon
    account: AccountState


class FrameFlow(Report):
    """A camera's frames: rates since the heartbeat before, undecodable images and light since the start."""

    processed_fps: FramesPerSecond
    skipped_fps: FramesPerSecond
    decode_errors: Count
    day_fraction: Fraction
    night_fraction: Fraction


class CameraHealth(Report):
    """Counters of one camera since the node started, and its latest metrics; `fps`: as many as it gave."""

    camera: Slug
    frames: Count
    skipped: Count
    dropped: Count
    failures: Count
    detections: Count
    misdetections: Count
    fps: FramesPerSecond
    inference_p50_ms: Milliseconds
    inference_p95_ms: Milliseconds
    frame_age_s: Annotated[float, Field(ge=0.0, le=10_000_000.0), Grid(0.1)]
    connected: bool
    light: Light
    weather: Weather
    budget: PrivacyBudget | None = None
    flow: FrameFlow | None = None


class Heartbeat(Report):
    """A site's state; only the latest is kept.

    `provider` runs the model; it differs from `provider_wanted` when that could not be used.
    `teacher_fraction`: of the frames processed since the node's start, those that the teacher processed too;
    None if its configuration has no teacher. `transport_bytes`: of such entries of the ledger, by the gate.
    """

    model_digest: Digest | None
    previous_digest: Digest | None
    candidate_digest: Digest | None
    channel: Channel | None
    provider: ExecutionProvider | None = None
    provider_wanted: ExecutionProvider | None = None
    teacher_digest: Digest | None = None
    teacher_fraction: Annotated[float, Field(ge=0.0, le=1.0), Grid(0.001)] | None = None
    uptime_s: Count
    resident_mb: Annotated[float, Field(ge=0.0, le=1_000_000.0), Grid(0.1)]
    outbox_messages: Count
    shed: Count
    epsilon_spent: Annotated[float, Field(ge=0.0, le=1000.0), Significant(6)]
    transport_bytes: int | None = Field(default=None, ge=0, le=10**15)
    cameras: tuple[CameraHealth, ...] = Field(max_length=MOST_CAMERAS)
    at_utc: UtcSeconds
