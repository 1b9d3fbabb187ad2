"""What a report of the right form may hold at this site: its cameras, zones, classes, models; times near now.

A hostile node writes into whatever is free. Each name must be known (`known_names`), and each time near that
at which the site's broker stored the message, so that what waited through an outage of the hub still leaves.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum

from edge.gate.limits.known_names import KnownNames, Named
from messaging.errors import MessageRefused
from messaging.reports import (
    ClassPrototype,
    GuardReport,
    HazardEvent,
    Heartbeat,
    Misdetection,
    RecallTally,
    Report,
    ShadowReport,
    SwapReason,
    SwapReceipt,
    VerdictAnswer,
)
from messaging.wire_format.codec import Message

AHEAD_S = 300
MOST_AGE_S = 96 * 3600
"""A report may wait so long at the node, when the site's broker is away."""
HAZARD_MAY_LAST_S = 30 * 86_400


class PinReason(StrEnum):
    """Why a message may not leave, as a label of the metric."""

    FORM = "form"
    CAMERA = "camera"
    ZONE = "zone"
    CLASS = "class"
    DIGEST = "digest"
    TIME = "time"
    REQUEST = "request"


class PinBroken(MessageRefused):
    """A message of the right form that holds what this site has no reason to report."""

    def __init__(self, reason: PinReason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def reason_of(error: MessageRefused) -> PinReason:
    """The metric's label of a refusal."""
    return error.reason if isinstance(error, PinBroken) else PinReason.FORM


def check(message: Message, names: KnownNames, stored_at_utc: int) -> None:
    """Raise `PinBroken` for the first report that this site has no reason to send; `OSError` as `names` does.

    `stored_at_utc`: when the site's broker stored the message, in seconds since 1970.
    """
    for report in message.reports:
        _check_places(report, names)
        for what, name in _names(report):
            if not names.admits(what, name):
                raise _unknown(what, name)
        _check_times(report, stored_at_utc)


def check_request(message: Message, asked: Callable[[], frozenset[int]]) -> None:
    """Raise `PinBroken` for the answer to a verdict request that the cloud has not signed."""
    for report in message.reports:
        if isinstance(report, VerdictAnswer) and report.request not in asked():
            raise PinBroken(
                PinReason.REQUEST, f"the cloud has signed no verdict request {report.request} to this site"
            )


def _check_places(report: Report, names: KnownNames) -> None:
    zone = getattr(report, "zone", None)
    cameras = [beat.camera for beat in report.cameras] if isinstance(report, Heartbeat) else []
    if (camera := getattr(report, "camera", None)) is not None:
        cameras.append(camera)
    for one in cameras:
        what = names.admits_camera(one, zone)
        if what is not None:
            name = f"camera {one}" if what is Named.CAMERA else f"zone {zone} of camera {one}"
            raise PinBroken(
                PinReason(what),
                f"{name} is not in `cameras` of the gate's configuration; if it is one of this site's, list "
                "it there beside the others and start the gate again",
            )


def _names(report: Report) -> Iterator[tuple[Named, str]]:
    if isinstance(report, ShadowReport):
        yield from ((Named.CLASS, tally.class_name) for tally in report.tallies)
        yield from ((Named.DIGEST, d) for d in (report.incumbent_digest, report.candidate_digest))
    elif isinstance(report, Heartbeat):
        digests = (report.model_digest, report.previous_digest, report.candidate_digest)
        yield from ((Named.DIGEST, digest) for digest in digests if digest is not None)
        if report.teacher_digest is not None:
            yield Named.TEACHER, report.teacher_digest
    elif isinstance(report, GuardReport):
        yield from ((Named.DIGEST, d) for d in (report.model_digest, report.previous_digest))
    elif isinstance(report, SwapReceipt):
        yield from ((Named.DIGEST, d) for d in (report.digest, report.previous_digest) if d is not None)
    elif not isinstance(report, VerdictAnswer):
        yield Named.CLASS, str(getattr(report, "class_name", ""))
        if isinstance(report, HazardEvent | Misdetection | RecallTally):
            yield Named.DIGEST, report.model_digest
        if isinstance(report, ClassPrototype):
            yield Named.EMBEDDING, report.embedding_digest


def _unknown(what: Named, name: str) -> PinBroken:
    if what is Named.CLASS:
        return PinBroken(PinReason.CLASS, f"no release that the cloud has signed has a class {name}")
    return PinBroken(PinReason.DIGEST, f"the cloud has signed no release with {what} {name[:12]}")


def _check_times(report: Report, stored_at_utc: int) -> None:
    if isinstance(report, SwapReceipt) and report.reason is SwapReason.CLOCK_NOT_SANE:
        return
    for name, oldest_s in (
        ("at_utc", MOST_AGE_S),
        ("minute_utc", MOST_AGE_S),
        ("started_at_utc", HAZARD_MAY_LAST_S),
    ):
        value = getattr(report, name, None)
        if value is not None and not -oldest_s <= value - stored_at_utc <= AHEAD_S:
            raise PinBroken(
                PinReason.TIME,
                f"the report is dated {value - stored_at_utc} s from its arrival at the site's broker; from "
                f"{-oldest_s} to {AHEAD_S} s may leave; set the node's clock",
            )
