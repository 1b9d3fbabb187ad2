"""One valid report of every payload type, for tests."""

from typing import TypeVar

from messaging.releases import Channel, ExecutionProvider
from messaging.reports import (
    AccountState,
    AnswerOutcome,
    BoxGeometry,
    CameraHealth,
    ClassPrototype,
    ConditionTags,
    ErrorKind,
    EvidenceSource,
    FrameFlow,
    GuardOutcome,
    GuardRecall,
    GuardReport,
    HazardEvent,
    HazardState,
    Heartbeat,
    Misdetection,
    OperatorVerdict,
    PrivacyBudget,
    RecallTally,
    Report,
    ShadowReport,
    ShadowTally,
    SwapOutcome,
    SwapReason,
    SwapReceipt,
    Verdict,
    VerdictAnswer,
)
from messaging.taxonomy import Light, Weather
from messaging.wire_format.codec import kind_of

AnyReport = TypeVar("AnyReport", bound=Report)
ULID_SAMPLE = "01JAZ5Y9T4X3Q6M2K8B7C9D0EF"
DIGEST = "ab" * 32
MINUTE = 1_799_999_940
BOX = BoxGeometry(cx=0.5, cy=0.4, w=0.2, h=0.1)
TAGS = ConditionTags(light=Light.NIGHT, weather=Weather.RAIN)
HAZARD = HazardEvent(
    event=ULID_SAMPLE,
    camera="north",
    class_name="fire",
    state=HazardState.OPENED,
    severity=5,
    confidence=0.91,
    box=BOX,
    tags=TAGS,
    zone="gate-a",
    started_at_utc=1_799_999_000,
    at_utc=1_799_999_001,
    model_digest=DIGEST,
)
MISDETECTION = Misdetection(
    camera="north",
    kind=ErrorKind.MISSED,
    class_name="unknown",
    tags=TAGS,
    box=BOX,
    evidence=EvidenceSource.MOTION,
    probability=0.7,
    minute_utc=MINUTE,
    model_digest=DIGEST,
)
PROTOTYPE = ClassPrototype(
    camera="north",
    class_name="fire",
    tags=TAGS,
    vector=tuple(range(-32, 32)),
    scale=0.02,
    embedding_digest=DIGEST,
    tracks=30,
    noise_sigma=0.3,
    epsilon=1.0,
    epsilon_spent=3.0,
    delta=1e-5,
    minute_utc=MINUTE,
)
RECALL = RecallTally(
    camera="north",
    class_name="fire",
    light=Light.NIGHT,
    weather=Weather.RAIN,
    source=EvidenceSource.TEACHER,
    model_digest=DIGEST,
    supported=12,
    detected=5,
    supported_weight=14.5,
    detected_weight=5.25,
    squared_weight=18.75,
    minute_utc=MINUTE,
)
SHADOW = ShadowReport(
    incumbent_digest=DIGEST,
    candidate_digest="cd" * 32,
    frames=1000,
    candidate_p95_ms=31.0,
    incumbent_p95_ms=30.0,
    candidate_failures=0,
    tallies=(
        ShadowTally(
            class_name="fire",
            light=Light.NIGHT,
            weather=Weather.RAIN,
            supported=20,
            incumbent_detected=8,
            candidate_detected=18,
            incumbent_unsupported=1,
            candidate_unsupported=1,
        ),
    ),
    final=True,
    minute_utc=MINUTE,
)
VERDICT = OperatorVerdict(
    camera="north",
    verdict=Verdict.MISSED,
    class_name="fire",
    event=ULID_SAMPLE,
    box=BOX,
    tags=TAGS,
    minute_utc=MINUTE,
)
SWAP = SwapReceipt(
    sequence=4,
    digest=DIGEST,
    previous_digest=None,
    channel=Channel.SERVICE,
    outcome=SwapOutcome.INSTALLED,
    reason=SwapReason.NONE,
    frames_lost=0,
    at_utc=1_800_000_000,
)
ANSWER = VerdictAnswer(request=31, outcome=AnswerOutcome.CONFIRMED, minute_utc=MINUTE)
GUARD = GuardReport(
    model_digest=DIGEST,
    previous_digest="cd" * 32,
    outcome=GuardOutcome.PASSED,
    frames=3400,
    output_fraction=0.35,
    latency_ms=31.0,
    previous_latency_ms=29.0,
    alarms_per_frame=0.12,
    previous_alarms_per_frame=0.1,
    teacher_recall=GuardRecall(supported=140, recall=0.91, previous_recall=0.84),
    minute_utc=MINUTE,
)
HEARTBEAT = Heartbeat(
    model_digest=DIGEST,
    previous_digest=None,
    candidate_digest=None,
    channel=Channel.SERVICE,
    provider=ExecutionProvider.CPU,
    provider_wanted=ExecutionProvider.CUDA,
    teacher_digest="7" * 64,
    teacher_fraction=0.184,
    uptime_s=12,
    resident_mb=210.5,
    outbox_messages=0,
    shed=0,
    epsilon_spent=1.0,
    transport_bytes=7_654_321,
    cameras=(
        CameraHealth(
            camera="north",
            frames=100,
            skipped=2,
            dropped=1,
            failures=0,
            detections=7,
            misdetections=1,
            fps=9.8,
            inference_p50_ms=20.1,
            inference_p95_ms=32.5,
            frame_age_s=0.1,
            connected=True,
            light=Light.NIGHT,
            weather=Weather.RAIN,
            budget=PrivacyBudget(epsilon=8.0, window_days=30, epsilon_left=5.17, account=AccountState.OPEN),
            flow=FrameFlow(
                processed_fps=7.5, skipped_fps=2.0, decode_errors=3, day_fraction=0.15, night_fraction=0.8
            ),
        ),
    ),
    at_utc=1_800_000_000,
)


def dated(report: AnyReport, at_utc: float) -> AnyReport:
    """A report with all its times at this one, in seconds since 1970."""
    at = int(at_utc)
    times = {"at_utc": at, "started_at_utc": at, "minute_utc": at // 60 * 60}
    changes = {name: value for name, value in times.items() if name in type(report).model_fields}
    return report.model_copy(update=changes)


SAMPLES: dict[str, Report] = {
    kind_of(report): report
    for report in (HAZARD, MISDETECTION, PROTOTYPE, RECALL, SHADOW, VERDICT, SWAP, HEARTBEAT, ANSWER, GUARD)
}
