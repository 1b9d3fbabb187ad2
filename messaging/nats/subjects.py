"""NATS subject names and stream names, built and parsed here and typed nowhere else.

`site.<site>.report.<kind>.<ulid>` goes up; `site.<site>.cmd.<verb>` comes down as a wake-up hint
without authority. What a site's gate may publish and subscribe to is generated from the payload table.
"""

from dataclasses import dataclass

from messaging.errors import MessageRefused
from messaging.wire_format.codec import PAYLOADS, Lane

FLEET_REPORTS = "FLEET_REPORTS"
DEAD_LETTERS = "DEAD_LETTERS"
SITE_STREAMS = {Lane.HAZARDS: "HAZARDS", Lane.EVIDENCE: "EVIDENCE"}
MODELS_BUCKET = "models"
TUF_BUCKET = "tuf"
HEARTBEATS = "HEARTBEATS"
CHECKPOINTS = "CHECKPOINTS"
RECEIPTS = "RECEIPTS"
ORDERS = "ORDERS"
RENEWALS = "RENEWALS"
REQUESTS = "REQUESTS"
WAKE = "wake"
SITE_AND_KIND_TOKENS = 4
"""Tokens of a report's subject without the message's id, under which the hub stores it."""


@dataclass(frozen=True)
class ReportSubject:
    """The parts of a report's subject."""

    site: str
    kind: str
    id: str


def report_subject(site: str, kind: str, message_id: str) -> str:
    """Subject of one report."""
    return f"site.{site}.report.{kind}.{message_id}"


def parse_report_subject(subject: str) -> ReportSubject:
    """Take a report's subject apart. Raises `MessageRefused` when it is not one."""
    parts = subject.split(".")
    if len(parts) != 5 or parts[0] != "site" or parts[2] != "report" or parts[3] not in PAYLOADS:
        raise MessageRefused(f"subject {subject[:80]!r} is not site.SITE.report.KIND.ID")
    return ReportSubject(parts[1], parts[3], parts[4])


def published_subject(stored: str, message_id: str) -> str:
    """The subject on which a report was published, from that under which the hub stores it."""
    return f"{stored}.{message_id}" if stored.count(".") == SITE_AND_KIND_TOKENS - 1 else stored


def lane_subjects(site: str, lane: Lane) -> tuple[str, ...]:
    """Subjects of one lane at a site, one per payload kind of the table."""
    return tuple(f"site.{site}.report.{row.kind}.>" for row in PAYLOADS.values() if row.lane is lane)


def command_subject(site: str, verb: str) -> str:
    """Wake-up hints to a site; they carry no authority and may be lost."""
    return f"site.{site}.cmd.{verb}"


def inbox_prefix(site: str) -> str:
    """A site's own inbox, so that no site receives another's replies."""
    return f"_INBOX_{site}"
