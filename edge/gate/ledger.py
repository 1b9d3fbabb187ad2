"""The egress ledger: a hash-chained list, on the edge's own disk, of everything that left the site.

One JSON line an entry, each naming the sha256 of the line before; fsynced before the message is sent, so
nothing leaves that is not listed. One entry per message id: after a crash between ledger and hub the
message is sent again under the entry that it has. `verify` needs nothing but a copy of the folder.
"""

import contextlib
import hashlib
import itertools
import json
import logging
import os
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from edge.errors import LedgerBroken
from messaging.blobs import digest_of
from messaging.errors import ConfigurationError, FileFault, MessageRefused
from messaging.receipts import LedgerPosition
from messaging.runtime.atomic_files import make_folder, sync, sync_folder, write_atomically
from messaging.runtime.locks import FileLock
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.text_files import read_json
from messaging.wire_format.codec import FORMAT_VERSION

logger = logging.getLogger(__name__)

LEDGER_FILE = "ledger.jsonl"
HEAD_FILE = "head.json"
START = LedgerPosition(0, "0" * 64)
CHECKPOINT_EVERY = 100
_IDS_KEPT = 40_000
_INDEX_EVERY = 1000


@dataclass(frozen=True)
class Outgoing:
    """A message about to leave."""

    message_id: str
    subject: str
    kind: str
    data: bytes


@dataclass(frozen=True)
class LedgerEntry:
    """One line. `prev` is the sha256 of the line before, `sha256` that of the message's bytes.

    `length_bytes` counts the message as it is published, envelope and payload; not its subject, its id and
    the two ledger headers beside it, nor what NATS, TLS and TCP add.
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
class LedgerSummary:
    """Totals of a verified ledger. `by_kind_and_day`: (kind, YYYY-MM-DD) -> total."""

    head: LedgerPosition
    by_kind: dict[str, Total]
    by_kind_and_day: dict[tuple[str, str], Total]


class Ledger:
    """An open ledger; one process at a time. Opening verifies the chain and raises `LedgerBroken`."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder, mode=0o700)
        self._folder = folder
        self._path = folder / LEDGER_FILE
        try:
            self._lock = FileLock(folder / "lock")
        except BlockingIOError:
            raise ConfigurationError(f"{self._path} is in use by another gate; stop it first") from None
        self._file = -1
        self._known: OrderedDict[str, LedgerEntry] = OrderedDict()
        self._by_kind: dict[str, Total] = {}
        self._head = START
        self._index: list[int] = []
        self._size = 0
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            sync_folder(folder)
            self._cut_torn_line()
            for entry, position, length_bytes in _walk(self._path, (_kept_head(folder),)):
                self._remember(entry, position, length_bytes)
        except BaseException:
            self._release()
            raise

    @property
    def head(self) -> LedgerPosition:
        """The last entry's number and hash."""
        return self._head

    @property
    def by_kind(self) -> dict[str, Total]:
        """Totals by kind since the ledger began."""
        return {kind: Total(total.count, total.bytes) for kind, total in self._by_kind.items()}

    def entry(self, n: int) -> LedgerEntry | None:
        """The entry with a number, read from the disk; None when there is none. Raises `OSError`."""
        if not 0 < n <= self._head.n:
            return None
        with self._path.open("rb") as file:
            file.seek(self._index[(n - 1) // _INDEX_EVERY])
            place = (n - 1) % _INDEX_EVERY
            (line,) = itertools.islice(file, place, place + 1)
        return LedgerEntry(**json.loads(line))

    def bytes_since(self, utc: int) -> Counter[str]:
        """Bytes by kind of recent entries at or after a time (seconds since 1970)."""
        total: Counter[str] = Counter()
        for entry in reversed(self._known.values()):
            if entry.at_utc < utc:
                break
            total[entry.kind] += entry.length_bytes
        return total

    def check(self, message: Outgoing) -> None:
        """Raise `MessageRefused` when the message's id is listed for other bytes."""
        known = self._known.get(message.message_id)
        if known is not None:
            _refuse_other_bytes(known, message)

    def append(self, outgoing: Sequence[Outgoing], at_utc: int) -> list[LedgerEntry]:
        """One entry per message, durable on return; a message listed before keeps its entry.

        Raises `MessageRefused` when an id was used before for other bytes, `OSError` when the disk does not
        take the entries: then none of them is listed, and nothing may be sent.
        """
        entries: list[LedgerEntry] = []
        fresh: list[tuple[LedgerEntry, LedgerPosition]] = []
        head = self._head
        new: dict[str, LedgerEntry] = {}
        for message in outgoing:
            known = self._known.get(message.message_id) or new.get(message.message_id)
            if known is None:
                known = _entry(message, head, at_utc)
                head = known.position
                fresh.append((known, head))
                new[known.id] = known
            else:
                _refuse_other_bytes(known, message)
            entries.append(known)
        self._write(fresh)
        return entries

    def close(self) -> None:
        """Write the head and release the file; safe to call twice."""
        if self._file >= 0:
            self._keep_head()
            self._release()

    def _release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._lock.release()

    def _write(self, fresh: list[tuple[LedgerEntry, LedgerPosition]]) -> None:
        if not fresh:
            return
        lines = [entry.line() + b"\n" for entry, _ in fresh]
        data = b"".join(lines)
        self._cut_unlisted()
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]
            sync(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):  # is tried again before the next entry
                self._cut_unlisted()
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        before = self._head.n
        for (entry, position), line in zip(fresh, lines, strict=True):
            self._remember(entry, position, len(line))
        if before == 0 or before // CHECKPOINT_EVERY != self._head.n // CHECKPOINT_EVERY:
            self._keep_head()

    def _remember(self, entry: LedgerEntry, position: LedgerPosition, length_bytes: int) -> None:
        if self._head.n % _INDEX_EVERY == 0:
            self._index.append(self._size)
        self._size += length_bytes
        self._known[entry.id] = entry
        if len(self._known) > _IDS_KEPT:
            self._known.popitem(last=False)
        self._by_kind.setdefault(entry.kind, Total()).add(entry)
        self._head = position

    def _keep_head(self) -> None:
        """Write the head beside the ledger; an older one, if the disk takes none, is checked as well."""
        try:
            write_atomically(self._folder / HEAD_FILE, self._head.to_bytes())
        except OSError as error:
            logger.warning("the ledger's head is written later: %s", os_error_sentence(error))

    def _cut_unlisted(self) -> None:
        """Drop what a failed write left behind the last listed entry; none of it was sent."""
        if os.fstat(self._file).st_size != self._size:
            os.ftruncate(self._file, self._size)
            sync(self._file)

    def _cut_torn_line(self) -> None:
        """Drop what follows the last line end: it was being written at a crash, nothing was sent."""
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, min(size, 65_536), max(0, size - 65_536))
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            logger.warning("%s ends in %d bytes of an unfinished entry; cut off", self._path, torn)
            os.ftruncate(self._file, size - torn)
            sync(self._file)


def verify(path: Path, head: LedgerPosition | None = None) -> LedgerSummary:
    """Check a ledger (a folder or its file) from the first entry to the last, offline.

    Every change, loss, insertion or exchange of an entry breaks the chain; a cut-off end shows against
    `head` (a receipt or a checkpoint) and against the head kept beside the ledger.

    Raises:
        LedgerBroken: naming the entry.
        ConfigurationError: there is no ledger.
    """
    file = path / LEDGER_FILE if path.is_dir() else path
    if not file.exists():
        raise ConfigurationError(f"there is no ledger at {file}; give the gate's ledger folder")
    reached, by_kind, by_day = START, dict[str, Total](), dict[tuple[str, str], Total]()
    for entry, position, _ in _walk(file, (_kept_head(file.parent), head or START)):
        day = _day(entry.at_utc // 86_400)
        by_kind.setdefault(entry.kind, Total()).add(entry)
        by_day.setdefault((entry.kind, day), Total()).add(entry)
        reached = position
    return LedgerSummary(reached, by_kind, by_day)


def _walk(path: Path, heads: Sequence[LedgerPosition]) -> Iterator[tuple[LedgerEntry, LedgerPosition, int]]:
    """Entries in order, each with its position and its bytes on disk.

    Each is checked against the one before and against the heads that are known.
    """
    names = {field.name for field in fields(LedgerEntry)}
    expected = {head.n: head.hash for head in heads}
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
            if expected.get(entry.n, before.hash) != before.hash:
                raise LedgerBroken(f"{path}: the head has another hash for entry {entry.n}")
            yield entry, before, len(line)
    if before.n < max(expected):
        raise LedgerBroken(f"{path}: the head has {max(expected)} entries, the ledger ends at {before.n}")


def _whole_numbers(entry: LedgerEntry) -> bool:
    numbers = (entry.n, entry.length_bytes, entry.schema, entry.at_utc)
    return all(type(number) is int and 0 <= number < 2**53 for number in numbers)


def _kept_head(folder: Path) -> LedgerPosition:
    path = folder / HEAD_FILE
    if not path.exists():
        return START
    try:
        parts = read_json(path)
        return LedgerPosition(int(parts["n"]), str(parts["hash"]))
    except (FileFault, ValueError, KeyError, TypeError):
        raise LedgerBroken(
            f"{path} is not a ledger's head; restore it from a backup, or remove it if `blindspot-edge "
            "ledger verify` finds the chain whole without it"
        ) from None


@lru_cache(maxsize=4096)
def _day(days_since_1970: int) -> str:
    return datetime.fromtimestamp(days_since_1970 * 86_400, UTC).strftime("%Y-%m-%d")


def _refuse_other_bytes(known: LedgerEntry, message: Outgoing) -> None:
    if known.sha256 != digest_of(message.data):
        raise MessageRefused(f"message id {known.id} was used before for other bytes; it was not sent")


def _entry(message: Outgoing, head: LedgerPosition, at_utc: int) -> LedgerEntry:
    return LedgerEntry(
        n=head.n + 1,
        prev=head.hash,
        id=message.message_id,
        subject=message.subject,
        kind=message.kind,
        length_bytes=len(message.data),
        sha256=digest_of(message.data),
        schema=FORMAT_VERSION,
        at_utc=at_utc,
    )
