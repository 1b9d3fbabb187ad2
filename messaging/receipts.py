"""Receipts: what of a site's two lanes and of its ledger is committed in the cloud's database, and where.

The gate states with every message its ledger entry and its place in the lane's stream at the site. Intake
joins the places to the sequence up to which all of a lane is committed, and writes it into the bucket
RECEIPTS. Site, hub and cloud may each lose a disk, so that streams, hub and database have identities. Who
signed what is decided elsewhere (`messaging.trust.site_signatures`).
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from messaging.errors import MessageRefused

HEADER = "Blindspot"
"""The one header of a report: ledger entry and place, and the site's signature."""
_IDENTITY_LENGTH = 40
_HASH_BYTES = 32
_DIGITS = 16


@dataclass(frozen=True)
class LedgerPosition:
    """Number (from 1) and sha256 hex of a ledger entry."""

    n: int
    hash: str


START = LedgerPosition(0, "0" * 64)
"""Before the first entry of a ledger."""


@dataclass(frozen=True)
class LanePlace:
    """A message's sequence in its lane's stream, and what the gate will not send of the sequences before it.

    None of those between `after` and the message will ever be sent, and none up to `settled` will be again.
    """

    stream: str
    sequence: int
    after: int
    settled: int


@dataclass(frozen=True)
class ReportHeader:
    """What a gate states beside a report."""

    ledger: LedgerPosition
    place: LanePlace

    @property
    def text(self) -> str:
        """As it is signed and sent, without the signature."""
        place = self.place
        numbers = f"{place.sequence} {place.after} {place.settled}"
        return f"{self.ledger.n} {base64_of(bytes.fromhex(self.ledger.hash))} {place.stream} {numbers}"


@dataclass(frozen=True)
class LaneReceipt:
    """A lane's stream is committed up to message `through`, whose ledger entry has number and hash."""

    stream: str
    through: int
    n: int
    hash: str


@dataclass(frozen=True)
class LedgerReceipt:
    """The last checkpoint of a site's ledger that the cloud has verified.

    Attributes:
        n: the number of its last entry.
        hash: the hash of this entry.
        key: the site's public key, hex.
        verified_at_utc: when the cloud verified it, seconds since 1970.
    """

    n: int
    hash: str
    key: str
    verified_at_utc: int


@dataclass(frozen=True)
class Receipt:
    """What is committed of a site's lanes and ledger, in which database, through which hub."""

    site: str
    database: str
    hub: str
    lanes: Mapping[str, LaneReceipt] = field(default_factory=dict)
    ledger: LedgerReceipt | None = None


def report_header(text: str) -> ReportHeader:
    """Read what a gate states. Raises `MessageRefused` when it is not valid."""
    parts = text.split(" ")
    numbers = [_number(parts[index]) for index in (0, 3, 4, 5)] if len(parts) == 6 else [None]
    if any(number is None for number in numbers) or not 0 < len(parts[2]) <= _IDENTITY_LENGTH:
        raise MessageRefused(f"the header {text[:40]!r} names no ledger entry and place")
    n, sequence, after, settled = (number or 0 for number in numbers)
    digest = bytes_of(parts[1])
    if len(digest) != _HASH_BYTES or not settled <= after < sequence:
        raise MessageRefused(f"the header {text[:40]!r} names no ledger entry and place")
    return ReportHeader(LedgerPosition(n, digest.hex()), LanePlace(parts[2], sequence, after, settled))


def base64_of(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def bytes_of(text: str) -> bytes:
    """The bytes of `base64_of`; no bytes for another text."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else None
