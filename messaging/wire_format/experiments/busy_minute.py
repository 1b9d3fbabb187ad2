"""Messages of a busy minute at a site with two cameras, from a seed: what the encodings are compared on.

Values vary as in the demo: few classes and conditions, boxes on the grid, ids and times close together.
"""

import hashlib
import random

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
from messaging.taxonomy import DEFAULT_TAXONOMY, Light, RegionBin, Sharpness, SizeBin, Weather
from messaging.wire_format.codec import Message
from messaging.wire_format.column_encodings import ulid_number, ulid_text

SEED = 11
AT_UTC = 1_800_000_000
MESSAGE_ID = "01JAZ5Y9T4X3Q6M2K8B7C9D0EF"
CAMERAS = ("bridge", "market")
_MINUTE = AT_UTC - AT_UTC % 60
_MODEL, _OTHER_MODEL, _EMBEDDING = (
    hashlib.sha256(name).hexdigest() for name in (b"model", b"other", b"basis")
)


def busy_minute(seed: int = SEED) -> dict[str, Message]:
    """Messages by name, `KIND x REPORTS`; every payload type is among them."""
    chance = random.Random(seed)
    reports: dict[str, list[Report]] = {
        "hazard x 1": [_hazard(chance)],
        "hazard x 4": [_hazard(chance) for _ in range(4)],
        "hazard x 32": [_hazard(chance) for _ in range(32)],
        "misdetection x 1": [_misdetection(chance)],
        "misdetection x 8": [_misdetection(chance) for _ in range(8)],
        "misdetection x 32": [_misdetection(chance) for _ in range(32)],
        "recall x 16": [_tally(chance) for _ in range(16)],
        "prototype x 4": [_prototype(chance) for _ in range(4)],
        "shadow x 1": [_shadow(chance)],
        "verdict x 1": [_verdict(chance)],
        "swap x 1": [_swap()],
        "heartbeat x 1": [_heartbeat(chance)],
        "answer x 1": [VerdictAnswer(request=412, outcome=AnswerOutcome.NOT_FOUND, minute_utc=_MINUTE)],
        "guard x 1": [_guard()],
    }
    return {
        name: Message(MESSAGE_ID, "north", AT_UTC, found[0], tuple(found[1:]))
        for name, found in reports.items()
    }


def _class(chance: random.Random) -> str:
    return chance.choice(DEFAULT_TAXONOMY.names)


def _box(chance: random.Random) -> BoxGeometry:
    size = chance.uniform(0.02, 0.4)
    return BoxGeometry(cx=chance.random(), cy=chance.uniform(0.4, 1), w=size, h=size * chance.random())


def _tags(chance: random.Random) -> ConditionTags:
    return ConditionTags(
        light=chance.choice([Light.NIGHT, Light.DAY]),
        weather=Weather.RAIN,
        sharpness=Sharpness.SHARP,
        size=chance.choice(list(SizeBin)[:4]),
        region=chance.choice(list(RegionBin)[:9]),
    )


def _hazard(chance: random.Random) -> HazardEvent:
    return HazardEvent(
        event=ulid_text(ulid_number(MESSAGE_ID) - chance.randrange(300)),
        camera=chance.choice(CAMERAS),
        class_name=_class(chance),
        state=chance.choice([HazardState.OPENED, HazardState.CLOSED]),
        severity=chance.randint(1, 5),
        confidence=chance.uniform(0.3, 1),
        box=_box(chance),
        tags=_tags(chance),
        started_at_utc=AT_UTC - chance.randrange(20),
        at_utc=AT_UTC - chance.randrange(5),
        model_digest=_MODEL,
    )


def _misdetection(chance: random.Random) -> Misdetection:
    return Misdetection(
        camera=chance.choice(CAMERAS),
        kind=chance.choice(list(ErrorKind)),
        class_name=_class(chance),
        tags=_tags(chance),
        box=_box(chance),
        evidence=chance.choice(list(EvidenceSource)[:5]),
        probability=chance.choice([0.3, 0.45, 0.5, 0.52, 0.8, 0.83]),
        minute_utc=_MINUTE - chance.choice([0, 60]),
        model_digest=_MODEL,
    )


def _tally(chance: random.Random) -> RecallTally:
    return RecallTally(
        camera=chance.choice(CAMERAS),
        class_name=_class(chance),
        light=chance.choice([Light.NIGHT, Light.DAY]),
        weather=Weather.RAIN,
        source=EvidenceSource.TEACHER,
        model_digest=_MODEL,
        supported=(supported := chance.randint(6, 12)),
        detected=(detected := chance.randint(0, 6)),
        supported_weight=supported * 1.25,
        detected_weight=detected * 1.25,
        squared_weight=supported * 1.5625,
        minute_utc=_MINUTE,
    )


def _prototype(chance: random.Random) -> ClassPrototype:
    return ClassPrototype(
        camera=chance.choice(CAMERAS),
        class_name=_class(chance),
        tags=_tags(chance),
        vector=tuple(max(-127, min(127, round(chance.gauss(0, 50)))) for _ in range(64)),
        scale=chance.uniform(0.001, 0.1),
        embedding_digest=_EMBEDDING,
        tracks=10 * chance.randint(2, 9),
        noise_sigma=chance.uniform(0.01, 0.3),
        epsilon=1.0,
        epsilon_spent=float(chance.randint(1, 8)),
        delta=1e-5,
        minute_utc=_MINUTE,
    )


def _shadow(chance: random.Random) -> ShadowReport:
    tallies = tuple(
        ShadowTally(
            class_name=name,
            light=Light.NIGHT,
            weather=Weather.RAIN,
            supported=chance.randint(20, 60),
            incumbent_detected=chance.randint(0, 20),
            candidate_detected=chance.randint(10, 20),
            incumbent_unsupported=chance.randint(0, 3),
            candidate_unsupported=chance.randint(0, 3),
        )
        for name in DEFAULT_TAXONOMY.names
    )
    return ShadowReport(
        incumbent_digest=_MODEL,
        candidate_digest=_OTHER_MODEL,
        frames=1000,
        candidate_p95_ms=31.2,
        incumbent_p95_ms=30.4,
        candidate_failures=0,
        tallies=tallies,
        final=True,
        minute_utc=_MINUTE,
    )


def _verdict(chance: random.Random) -> OperatorVerdict:
    return OperatorVerdict(
        camera=CAMERAS[0],
        verdict=Verdict.MISSED,
        class_name=_class(chance),
        box=_box(chance),
        tags=_tags(chance),
        minute_utc=_MINUTE,
    )


def _swap() -> SwapReceipt:
    return SwapReceipt(
        sequence=4,
        digest=_OTHER_MODEL,
        previous_digest=_MODEL,
        channel=Channel.SERVICE,
        outcome=SwapOutcome.INSTALLED,
        reason=SwapReason.NONE,
        frames_lost=0,
        at_utc=AT_UTC,
    )


def _guard() -> GuardReport:
    return GuardReport(
        model_digest=_OTHER_MODEL,
        previous_digest=_MODEL,
        outcome=GuardOutcome.PASSED,
        frames=3600,
        output_fraction=0.45,
        latency_ms=30.0,
        previous_latency_ms=29.0,
        alarms_per_frame=0.11,
        previous_alarms_per_frame=0.12,
        teacher_recall=GuardRecall(supported=180, recall=0.84, previous_recall=0.71),
        minute_utc=_MINUTE,
    )


def _heartbeat(chance: random.Random) -> Heartbeat:
    cameras = tuple(
        CameraHealth(
            camera=name,
            frames=chance.randint(10_000, 90_000),
            skipped=chance.randint(1000, 9000),
            dropped=chance.randint(0, 50),
            failures=0,
            detections=chance.randint(1000, 9000),
            misdetections=chance.randint(10, 90),
            fps=chance.uniform(8, 10),
            inference_p50_ms=chance.uniform(18, 22),
            inference_p95_ms=chance.uniform(28, 35),
            frame_age_s=0.1,
            connected=True,
            light=Light.NIGHT,
            weather=Weather.RAIN,
            budget=PrivacyBudget(
                epsilon=8.0, window_days=30, epsilon_left=chance.uniform(0, 8), account=AccountState.OPEN
            ),
            flow=FrameFlow(
                processed_fps=chance.uniform(6, 8),
                skipped_fps=chance.uniform(1, 2),
                decode_errors=0,
                day_fraction=0.45,
                night_fraction=0.4,
            ),
        )
        for name in CAMERAS
    )
    return Heartbeat(
        model_digest=_MODEL,
        previous_digest=_OTHER_MODEL,
        candidate_digest=None,
        channel=Channel.SERVICE,
        provider=ExecutionProvider.CPU,
        provider_wanted=ExecutionProvider.CPU,
        uptime_s=86_000,
        resident_mb=412.5,
        outbox_messages=3,
        shed=0,
        epsilon_spent=3.0,
        transport_bytes=41_234_567,
        cameras=cameras,
        at_utc=AT_UTC,
    )
