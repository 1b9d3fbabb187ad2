"""What a report must satisfy before it is stored: the classes, embeddings, times and counts of a deployment.

The wire format bounds every field by itself; here a message is compared with what this cloud knows: its
hazard classes and releases, the time of receipt, and what the site's last heartbeat states. A site that lies
within these bounds is limited by the rules that combine sites. Pure, except for `ReportChecks.known_now`.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cloud.store.records import Release
from cloud.store.release_store import ReleaseStore
from cloud.store.report_store import ReportStore
from messaging.errors import MessageRefused
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.reports import (
    ClassPrototype,
    Heartbeat,
    RecallTally,
    Report,
    ShadowReport,
    SwapReason,
    SwapReceipt,
)
from messaging.taxonomy import Taxonomy
from messaging.wire_format.codec import Message

MAX_AHEAD_S = 300
FREE_TRACKS = 10_000  # in one tally, whatever the heartbeat states: the node may have begun again since
MAX_TRACKS_PER_FRAME = 100
MAX_TRACK_WEIGHT = 1000.0  # of a teacher that processes one frame of a thousand
NORM_SIGMAS = 6.0
LEAST_NOISE = 0.01  # sigma x tracks / clip norm; less noise is no privacy at all (epsilon above 1000)
_TIMES = ("at_utc", "minute_utc")


class RefusalReason(StrEnum):
    """Why a message was refused, as a label of the metric."""

    FORM = "form"
    REVOKED = "revoked"
    SIGNATURE = "signature"
    CLASS = "class"
    TIME = "time"
    COUNT = "count"
    PROTOTYPE = "prototype"
    MODEL = "model"


IMPOSSIBLE = (RefusalReason.COUNT, RefusalReason.PROTOTYPE)
"""What an honest site does not send, whatever its version, model, classes and clock are."""


class ReportRefused(MessageRefused):
    """A message of the right form that contradicts what this cloud knows."""

    def __init__(self, reason: RefusalReason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def reason_of(error: MessageRefused) -> RefusalReason:
    """The metric's label of a refusal."""
    return error.reason if isinstance(error, ReportRefused) else RefusalReason.FORM


@dataclass(frozen=True)
class EmbeddingSpace:
    """What the releases of one embedding have in common."""

    width: int
    clip_norm: float


@dataclass(frozen=True)
class Known:
    """What this cloud knows at one moment.

    Attributes:
        classes: names of the deployment's hazard classes and of all released models.
        spaces: by embedding digest.
        beats: the last heartbeats of the sites.
        now_utc: seconds since 1970.
        max_age_s: reports may be this old when they are received.
    """

    classes: frozenset[str]
    spaces: Mapping[str, EmbeddingSpace]
    beats: Mapping[str, Heartbeat]
    now_utc: int
    max_age_s: float

    def check(self, message: Message, *, received_at: int | None = None) -> None:
        """Raise `ReportRefused` for the first report that does not hold.

        `received_at` is when a message that is checked again was received first.
        """
        oldest = (self.now_utc if received_at is None else received_at) - self.max_age_s
        for report in message.reports:
            self._check_classes(report)
            self._check_times(report, oldest)
            if isinstance(report, ClassPrototype):
                self._check_prototype(report)
            elif isinstance(report, RecallTally):
                self._check_tally(report, message.site)
            elif isinstance(report, ShadowReport):
                _check_shadow(report)

    def _check_classes(self, report: Report) -> None:
        for name in _class_names(report):
            if name != UNKNOWN_CLASS and name not in self.classes:
                raise ReportRefused(
                    RefusalReason.CLASS,
                    f"hazard class {name!r} is neither of this deployment nor of a released model; add it "
                    "with `blindspot classes add` if it should be",
                )

    def _check_times(self, report: Report, oldest_utc: float) -> None:
        if isinstance(report, SwapReceipt) and report.reason is SwapReason.CLOCK_NOT_SANE:
            return
        values = [value for name in _TIMES if (value := getattr(report, name, None)) is not None]
        # A hazard may have begun long ago.
        latest = max([*values, getattr(report, "started_at_utc", 0)])
        if latest > self.now_utc + MAX_AHEAD_S:
            raise ReportRefused(
                RefusalReason.TIME,
                f"the report is dated {latest - self.now_utc} s ahead of this cloud; set the site's clock",
            )
        if min(values) < oldest_utc:
            days = (oldest_utc + self.max_age_s - min(values)) / 86_400
            raise ReportRefused(
                RefusalReason.TIME,
                f"the report is dated {days:.0f} days before its receipt; intake.max_age_days allows "
                f"{self.max_age_s / 86_400:g}; set the site's clock",
            )

    def _check_prototype(self, report: ClassPrototype) -> None:
        space = self.spaces.get(report.embedding_digest)
        if space is None:
            raise ReportRefused(
                RefusalReason.MODEL,
                f"the prototype is in embedding {report.embedding_digest[:12]}, which no released model has",
            )
        width = len(report.vector)
        if width != space.width:
            raise ReportRefused(
                RefusalReason.PROTOTYPE,
                f"the prototype has {width} coordinates; embedding {report.embedding_digest[:12]} has "
                f"{space.width}",
            )
        if report.noise_sigma < LEAST_NOISE * space.clip_norm / report.tracks:
            raise ReportRefused(
                RefusalReason.PROTOTYPE,
                f"the prototype states noise of sigma {report.noise_sigma:.3g}, too little for any privacy",
            )
        norm = float(np.linalg.norm(report.vector)) * report.scale
        largest = largest_norm(space, report)
        if norm > largest:
            raise ReportRefused(
                RefusalReason.PROTOTYPE,
                f"the prototype has length {norm:.3g}; with noise of sigma {report.noise_sigma:.3g} the "
                f"longest is {largest:.3g}",
            )

    def _check_tally(self, report: RecallTally, site: str) -> None:
        beat = self.beats.get(site)
        cameras = beat.cameras if beat is not None else ()
        frames = max((camera.frames for camera in cameras if camera.camera == report.camera), default=0)
        _check_counts(report.supported, max(FREE_TRACKS, frames), detected=(report.detected,))
        weight = max(report.supported_weight or 0.0, report.detected_weight or 0.0)
        if weight > report.supported * MAX_TRACK_WEIGHT:
            raise ReportRefused(
                RefusalReason.COUNT,
                f"{report.supported} supported tracks have weight {weight:g}; one track weighs at most "
                f"{MAX_TRACK_WEIGHT:g}",
            )


class ReportChecks:
    """Reads what messages are checked against."""

    def __init__(
        self,
        reports: ReportStore,
        releases: ReleaseStore,
        taxonomy: Callable[[], Taxonomy],
        *,
        max_age_s: float,
    ) -> None:
        self._reports, self._releases, self._taxonomy = reports, releases, taxonomy
        self._max_age_s = max_age_s

    def known_now(self, sites: Collection[str]) -> Known:
        """What this cloud knows now, for a batch of messages of these sites. Raises `StoreUnavailable`."""
        releases = self._releases.releases()
        released = {name for release in releases for name in release.description.get("class_names", ())}
        return Known(
            classes=frozenset(self._taxonomy().names) | released,
            spaces=embedding_spaces(releases),
            beats={beat.site: beat.heartbeat for beat in self._reports.heartbeats(sites)},
            now_utc=self._reports.now(),
            max_age_s=self._max_age_s,
        )


def embedding_spaces(releases: Iterable[Release]) -> dict[str, EmbeddingSpace]:
    """The embeddings of released models; of several clip norms the largest counts."""
    spaces: dict[str, EmbeddingSpace] = {}
    for release in releases:
        described = release.description
        digest, width = described.get("embedding_digest"), described.get("embedding_width")
        if digest is None or width is None:
            continue
        before = spaces.get(digest)
        clip = float(described.get("clip_norm", 0.0))
        spaces[digest] = EmbeddingSpace(int(width), max(clip, before.clip_norm if before else 0.0))
    return spaces


def largest_norm(space: EmbeddingSpace, report: ClassPrototype) -> float:
    """The length that a noised mean of clipped vectors does not exceed: clip + (sqrt(d) + 6) sigma.

    The noise is sqrt(d) sigma long on average, with a standard deviation below sigma. Rounding to int8 steps
    adds half a step a coordinate.
    """
    root = math.sqrt(space.width)
    return space.clip_norm + (root + NORM_SIGMAS) * report.noise_sigma + root * report.scale / 2


def _check_shadow(report: ShadowReport) -> None:
    for tally in report.tallies:
        detected = (tally.incumbent_detected, tally.candidate_detected)
        _check_counts(tally.supported, report.frames * MAX_TRACKS_PER_FRAME, detected=detected)


def _check_counts(supported: int, largest: int, *, detected: Iterable[int]) -> None:
    if supported > largest:
        raise ReportRefused(
            RefusalReason.COUNT,
            f"{supported} supported tracks are more than the {largest} that the reported frames allow",
        )
    if (most := max(detected)) > supported:
        raise ReportRefused(
            RefusalReason.COUNT, f"{most} detected of {supported} supported tracks contradict each other"
        )


def _class_names(report: Report) -> Iterable[str]:
    if isinstance(report, ShadowReport):
        return [tally.class_name for tally in report.tallies]
    name = getattr(report, "class_name", None)
    return () if name is None else (name,)
