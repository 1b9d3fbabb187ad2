"""The egress ledger: a hash-chained list, on the edge's own disk, of everything that left the site.

One JSON line an entry, each naming the sha256 of the line before; fsynced before the message is sent, so
nothing leaves that is not listed. One entry per message id: after a crash between ledger and hub the
message is sent again under the entry that it has. The head is signed with the site's key and kept beside it.
"""

import contextlib
import itertools
import json
import logging
import os
from collections import Counter, OrderedDict
from collections.abc import Sequence
from pathlib import Path

from edge.errors import LedgerBroken
from edge.gate.ledger_entries import (
    HEAD_FILE,
    LEDGER_FILE,
    LedgerEntry,
    Outgoing,
    Stated,
    Total,
    signed_head,
    walk,
)
from messaging.blobs import digest_of
from messaging.errors import ConfigurationError, MessageRefused
from messaging.receipts import START, LedgerPosition
from messaging.runtime.atomic_files import make_folder, sync, sync_folder, write_atomically
from messaging.runtime.locks import FileLock
from messaging.runtime.os_errors import os_error_sentence
from messaging.trust.site_signatures import LedgerCheckpoint, SiteKey
from messaging.wire_format.codec import FORMAT_VERSION

logger = logging.getLogger(__name__)

CHECKPOINT_EVERY = 100
_IDS_KEPT = 40_000
_INDEX_EVERY = 1000


class Ledger:
    """An open ledger; one process at a time. Opening verifies the chain and raises `LedgerBroken`."""

    def __init__(self, folder: Path, key: SiteKey) -> None:
        """Args: the ledger's folder, and the site's key, which signs the head."""
        make_folder(folder, mode=0o700)
        self._folder = folder
        self._key = key
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
            for entry, position, length_bytes in walk(self._path, _stated(folder, key)):
                self._remember(entry, position, length_bytes)
        except BaseException:
            self._release()
            raise

    @property
    def head(self) -> LedgerPosition:
        """The last entry's number and hash."""
        return self._head

    def checkpoint(self) -> LedgerCheckpoint:
        """The signed head, with the time of the last entry."""
        last = next(reversed(self._known.values()), None)
        return self._key.checkpoint(self._head, 0 if last is None else last.at_utc)

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

    def listed(self, message_id: str) -> LedgerEntry | None:
        """The entry of a message, among the last 40,000; None if there is none."""
        return self._known.get(message_id)

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
        if not self._head.n:
            self._write_head()  # a ledger with an entry and without a signed head has been tampered with
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
            self._write_head()
        except OSError as error:
            logger.warning("the ledger's head is written later: %s", os_error_sentence(error))

    def _write_head(self) -> None:
        write_atomically(self._folder / HEAD_FILE, self.checkpoint().to_bytes())

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


def _stated(folder: Path, key: SiteKey) -> list[Stated]:
    """What the signed head states. Raises `LedgerBroken` when it is missing or not this site's."""
    head = signed_head(folder, key.site)
    if head is None:
        if (folder / LEDGER_FILE).stat().st_size:
            raise LedgerBroken(f"{folder / HEAD_FILE} is missing; restore it from a backup")
        return []
    if head.key != key.key.public.public_hex:
        raise LedgerBroken(f"{folder / HEAD_FILE} was signed by another key than this site's")
    return [Stated(head.position, "its signed head")]


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
        length_bytes=message.length_bytes,
        sha256=digest_of(message.data),
        schema=FORMAT_VERSION,
        at_utc=at_utc,
    )
