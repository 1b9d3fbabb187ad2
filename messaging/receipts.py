"""Receipts: what of a site's two lanes is committed in the cloud's database, and where.

The gate sends with every message its ledger entry and its place in the lane's stream at the site. Intake
joins the places to the sequence up to which all of a lane is committed, and writes it into the bucket
RECEIPTS. Site, hub and cloud may each lose a disk, so that streams, hub and database have identities.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from messaging.errors import MessageRefused

LEDGER_NUMBER = "Blindspot-Ledger-N"
LEDGER_HASH = "Blindspot-Ledger-Hash"
PLACE = "Blindspot-Place"
_IDENTITY_LENGTH = 40
_DIGITS = 16


@dataclass(frozen=True)
class LedgerPosition:
    """Number (from 1) and sha256 hex of a ledger entry."""

    n: int
    hash: str

    def headers(self) -> dict[str, str]:
        """Headers of the message of this entry."""
        return {LEDGER_NUMBER: str(self.n), LEDGER_HASH: self.hash}

    def to_bytes(self) -> bytes:
        """The head of a ledger, as it is kept and published."""
        return json.dumps({"hash": self.hash, "n": self.n}, sort_keys=True).encode("ascii")


@dataclass(frozen=True)
class LanePlace:
    """A message's sequence in its lane's stream, and what the gate will not send of the sequences before it.

    None of those between `after` and the message will ever be sent, and none up to `settled` will be again.
    """

    stream: str
    sequence: int
    after: int
    settled: int

    def headers(self) -> dict[str, str]:
        """The header of the message at this place."""
        return {PLACE: f"{self.stream} {self.sequence} {self.after} {self.settled}"}


@dataclass(frozen=True)
class LaneReceipt:
    """A lane's stream is committed up to message `through`, whose ledger entry has number and hash."""

    stream: str
    through: int
    n: int
    hash: str


@dataclass(frozen=True)
class Receipt:
    """What is committed of a site's lanes, in which database, through which hub."""

    database: str
    hub: str
    lanes: Mapping[str, LaneReceipt] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As written into the bucket RECEIPTS under the site's name."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode("ascii")


def position_in_headers(headers: Mapping[str, str]) -> LedgerPosition | None:
    """The ledger position that the sender states; None without such headers."""
    number = _number(headers.get(LEDGER_NUMBER, ""))
    return None if number is None else LedgerPosition(number, headers.get(LEDGER_HASH, "")[:64])


def place_in_headers(headers: Mapping[str, str]) -> LanePlace | None:
    """The place in its lane that the sender states; None without a valid one."""
    stream, *numbers = headers.get(PLACE, "").split(" ")
    found = [number for text in numbers if (number := _number(text)) is not None]
    if not 0 < len(stream) <= _IDENTITY_LENGTH or len(numbers) != 3 or len(found) != 3:
        return None
    sequence, after, settled = found
    return LanePlace(stream, sequence, after, settled) if settled <= after < sequence else None


def receipt_of(data: bytes) -> Receipt:
    """Read a receipt. Raises `MessageRefused` when it is not one."""
    try:
        parts = json.loads(data)
        lanes = {str(lane): _lane_receipt(values) for lane, values in parts["lanes"].items()}
        return Receipt(str(parts["database"]), str(parts["hub"]), lanes)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MessageRefused(f"not a receipt ({type(error).__name__}): {data[:40]!r}") from None


def _lane_receipt(values: Mapping[str, object]) -> LaneReceipt:
    numbers = values["through"], values["n"]
    if any(type(number) is not int or not 0 <= number < 2**53 for number in numbers):
        raise ValueError("a sequence is not a whole number")
    return LaneReceipt(str(values["stream"]), int(str(numbers[0])), int(str(numbers[1])), str(values["hash"]))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else None
