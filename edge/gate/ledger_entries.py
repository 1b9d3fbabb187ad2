"""Entries of the egress ledger as they are on disk, and their verification, also of a copy and offline.

Each is one canonical JSON line, chained by hash.

Reading checks every line against the one before and against the entries that are known from elsewhere: the
signed head beside the ledger, and receipts.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from edge.errors import LedgerBroken
from messaging.errors import ConfigurationError, FileFault, TrustError
from messaging.receipts import START, LedgerPosition, LedgerReceipt, Receipt
from messaging.runtime.atomic_files import atomic_file
from messaging.runtime.text_files import read_bytes, read_json
from messaging.trust.keys import PublicKey
from messaging.trust.site_signatures import LedgerCheckpoint, verified_checkpoint, verified_receipt

LEDGER_FILE = "ledger.jsonl"
HEAD_FILE = "head.json"
RECEIPT_FILE = "receipt.json"


TRANSPORT = "transport"
"""The kind of entries that stand for no payload, but for what is written beside payloads."""


@dataclass(frozen=True)
class Outgoing:
    """A message about to leave; or, with `written_bytes`, so many bytes that left beside messages."""

    message_id: str
    subject: str
    kind: str
    data: bytes = b""
    written_bytes: int | None = None

    @property
    def length_bytes(self) -> int:
        """What its entry counts."""
        return len(self.data) if self.written_bytes is None else self.written_bytes


@dataclass(frozen=True)
class LedgerEntry:
    """One line. `prev` is the sha256 of the line before, `sha256` that of the message's bytes.

    `length_bytes` counts the message as it is published, envelope and payload. Its subject, its id, the
    headers and what NATS adds are in entries of kind `transport`, whose `subject` is what the bytes were for
    and whose `sha256` is that of no bytes, since none are kept; what TLS and TCP add is in none.
    """

    n: int
    prev: str
    id: str
    subject: str
    kind: str
    length_bytes: int
    sha256: str
    schema: int
    at_utc: int

    def line(self) -> bytes:
        """Canonical bytes, without the line end."""
        return json.dumps(vars(self), sort_keys=True, separators=(",", ":")).encode("ascii")

    @property
    def what(self) -> str:
        """Its kind, and what the bytes of a `transport` entry were for."""
        return f"{self.kind}: {self.subject}" if self.kind == TRANSPORT else self.kind

    @property
    def position(self) -> LedgerPosition:
        """Number and hash of this entry."""
        return LedgerPosition(self.n, hashlib.sha256(self.line()).hexdigest())


@dataclass
class Total:
    """How much of one kind left."""

    count: int = 0
    bytes: int = 0

    def add(self, entry: LedgerEntry) -> None:
        """Count one entry."""
        self.count += 1
        self.bytes += entry.length_bytes


@dataclass(frozen=True)
class Stated:
    """What somebody states about an entry; `origin` names who."""

    position: LedgerPosition
    origin: str


def walk(path: Path, stated: Sequence[Stated]) -> Iterator[tuple[LedgerEntry, LedgerPosition, int]]:
    """Entries of a ledger's file in order, each with its position and its bytes on disk.

    Raises `LedgerBroken`, naming the entry, for a chain that does not hold or is not what is stated.
    """
    names = {field.name for field in fields(LedgerEntry)}
    due: dict[int, list[Stated]] = {}
    for one in stated:
        due.setdefault(one.position.n, []).append(one)
    before = START
    with path.open("rb") as file:
        for line in file:
            text = line.rstrip(b"\n")
            try:
                values: Any = json.loads(text)
                entry = LedgerEntry(**values)
            except (ValueError, TypeError, RecursionError):
                raise LedgerBroken(f"{path}: entry {before.n + 1} is not a ledger entry") from None
            if set(values) != names or entry.line() != text or not _whole_numbers(entry):
                raise LedgerBroken(f"{path}: entry {before.n + 1} is not written canonically")
            if entry.n != before.n + 1 or entry.prev != before.hash:
                raise LedgerBroken(
                    f"{path}: entry {before.n + 1} does not follow from the one before "
                    f"(it has n={entry.n}, prev={str(entry.prev)[:12]})"
                )
            before = LedgerPosition(entry.n, hashlib.sha256(text).hexdigest())
            for one in due.pop(entry.n, ()):
                if one.position != before:
                    raise LedgerBroken(f"{path}: {one.origin} has another hash for entry {entry.n}")
            yield entry, before, len(line)
    for n, beyond in sorted(due.items()):
        if n > before.n:
            raise LedgerBroken(f"{path}: {beyond[0].origin} has {n} entries, the ledger ends at {before.n}")


def signed_head(folder: Path, site: str | None = None) -> LedgerCheckpoint | None:
    """The head beside a ledger (of this site); None without a file. Raises `LedgerBroken`."""
    path = folder / HEAD_FILE
    if not path.exists():
        return None
    try:
        return verified_checkpoint(read_bytes(path), site)
    except (FileFault, TrustError) as error:
        raise LedgerBroken(f"{path} is not a signed head ({error}); restore it from a backup") from None


def _whole_numbers(entry: LedgerEntry) -> bool:
    numbers = (entry.n, entry.length_bytes, entry.schema, entry.at_utc)
    return all(type(number) is int and 0 <= number < 2**53 for number in numbers)


@dataclass(frozen=True)
class LedgerSummary:
    """Totals of a verified ledger. `by_kind_and_day`: (`what` of an entry, YYYY-MM-DD) -> total.

    `signed` is the head that the site signed, `receipt` what the cloud signed for it, if that was checked.
    """

    head: LedgerPosition
    signed: LedgerCheckpoint
    receipt: LedgerReceipt | None
    by_kind: dict[str, Total]
    by_kind_and_day: dict[tuple[str, str], Total]

    @property
    def bytes_sentence(self) -> str:
        """The bytes of payloads and those beside them, for people."""
        beside = self.by_kind.get(TRANSPORT, Total()).bytes
        payloads = sum(total.bytes for total in self.by_kind.values()) - beside
        if not beside:
            return f"payloads {payloads} bytes; what is written beside them is entered hourly, none of it yet"
        percent = 100 * payloads / (payloads + beside)
        return (
            f"payloads {payloads} bytes, beside them {beside} bytes: {percent:.0f} % of what left is payload"
        )

    @property
    def sentence(self) -> str:
        """How far the ledger is signed and verified by whom, for people."""
        if self.receipt is None:
            by_cloud = "the cloud's receipt was not checked"
        else:
            verified = datetime.fromtimestamp(self.receipt.verified_at_utc, UTC)
            by_cloud = f"the cloud verified it to entry {self.receipt.n} at {verified:%Y-%m-%d %H:%M:%S} UTC"
        return (
            f"{self.head.n} entries, the chain holds; the site signed it to entry {self.signed.n}, {by_cloud}"
        )


def read_stated(path: Path) -> list[LedgerPosition]:
    """Entries that the cloud knows: number and hash of each. Raises `FileFault`."""
    try:
        return [LedgerPosition(int(n), str(digest)) for n, digest in read_json(path)]
    except (TypeError, ValueError):
        raise FileFault(f"{path} is not what `blindspot ledger verify` lists") from None


def verify(
    path: Path, director: PublicKey | None = None, stated: Sequence[LedgerPosition] = ()
) -> LedgerSummary:
    """Check a ledger (a folder or its file) from the first entry to the last, offline.

    Every change, loss, insertion or exchange of an entry breaks the chain; a cut-off end or another chain
    shows against the signed head, and against the cloud's receipt. Whoever has the site's key can write
    another ledger and sign it: only the cloud shows that, by its receipt, which is verified with `director`
    (its public key in the trust file), or by the entries that it knows (`stated`).

    Raises:
        LedgerBroken: naming the entry.
        ConfigurationError: there is no ledger.
    """
    file = path / LEDGER_FILE if path.is_dir() else path
    if not file.exists():
        raise ConfigurationError(f"there is no ledger at {file}; give the gate's ledger folder")
    signed = signed_head(file.parent)
    if signed is None:
        raise LedgerBroken(f"{file.parent / HEAD_FILE} is missing; the ledger is not signed")
    receipt = None if director is None else _receipt(file.parent, director, signed)
    known = [Stated(signed.position, "its signed head"), *_receipted(receipt)]
    known += [Stated(position, "the cloud") for position in stated]
    reached, by_kind, by_day = START, dict[str, Total](), dict[tuple[str, str], Total]()
    for entry, position, _ in walk(file, known):
        day = _day(entry.at_utc // 86_400)
        by_kind.setdefault(entry.kind, Total()).add(entry)
        by_day.setdefault((entry.what, day), Total()).add(entry)
        reached = position
    return LedgerSummary(reached, signed, receipt.ledger if receipt else None, by_kind, by_day)


def export(path: Path, to: Path) -> int:
    """Write the entries of a ledger that holds (a folder or its file) as they are; their number.

    Raises:
        LedgerBroken: naming the entry.
        ConfigurationError: there is no ledger, or the file is the ledger.
    """
    entries = verify(path).head.n
    file = path / LEDGER_FILE if path.is_dir() else path
    if to.exists() and to.samefile(file):
        raise ConfigurationError(f"{to} is the ledger itself; give another file")
    with file.open("rb") as source, atomic_file(to) as target:
        for line in islice(source, entries):
            target.write(line)
    return entries


def _receipt(folder: Path, director: PublicKey, signed: LedgerCheckpoint) -> Receipt:
    path = folder / RECEIPT_FILE
    if not path.exists():
        raise LedgerBroken(f"{path} is missing; the cloud has signed nothing for this ledger")
    try:
        receipt = verified_receipt(read_bytes(path), director)
    except (FileFault, TrustError) as error:
        raise LedgerBroken(f"{path} is not the cloud's receipt: {error}") from None
    if receipt.ledger is None:
        raise LedgerBroken(f"{path} covers no entry; the cloud has not verified a checkpoint of this ledger")
    if (receipt.site, receipt.ledger.key) != (signed.site, signed.key):
        raise LedgerBroken(f"{path} is for another site or another key than the ledger's head")
    return receipt


def _receipted(receipt: Receipt | None) -> list[Stated]:
    """What a receipt states about entries."""
    if receipt is None:
        return []
    found = [LedgerPosition(lane.n, lane.hash) for lane in receipt.lanes.values()]
    if receipt.ledger is not None:
        found.append(LedgerPosition(receipt.ledger.n, receipt.ledger.hash))
    return [Stated(position, "the cloud's receipt") for position in found]


@lru_cache(maxsize=4096)
def _day(days_since_1970: int) -> str:
    return datetime.fromtimestamp(days_since_1970 * 86_400, UTC).strftime("%Y-%m-%d")
