"""The part of one object that has been read; with a folder it outlives the process that reads it.

The file holds one entry for each chunk: its length, the stream's sequence to continue at, the chunk. What a
crash has left of a last entry is cut off. None of it is trusted: the reader checks the digest of the whole.
"""

import contextlib
import logging
import re
import struct
from pathlib import Path

logger = logging.getLogger(__name__)

_ENTRY = struct.Struct(">IQ")
_NAME = re.compile(r"[0-9A-Za-z]{1,64}")
_ENDING = ".part"


class PartialObject:
    """Chunks of one object in order. `nuid` names them in the bucket, `sequence` is that of the next."""

    def __init__(self, nuid: str, folder: Path | None = None) -> None:
        """`folder` holds the part of one object; without one, or where it is full, the part is in memory."""
        self.nuid, self.data, self.sequence = nuid, bytearray(), 1
        named = folder is not None and _NAME.fullmatch(nuid)
        self._path = folder / f"{nuid}{_ENDING}" if folder is not None and named else None
        if self._path is not None:
            try:
                self._open(self._path)
            except OSError as error:
                self._keep_in_memory(self._path, error)

    def add(self, chunk: bytes, sequence: int) -> None:
        """Append a chunk; the next one is at or after `sequence`."""
        self.data += chunk
        self.sequence = sequence
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(_ENTRY.pack(len(chunk), sequence) + chunk)
        except OSError as error:
            self._keep_in_memory(self._path, error)

    def forget(self) -> None:
        """Remove the file."""
        if self._path is not None:
            with contextlib.suppress(OSError):  # the next object removes it
                self._path.unlink()

    def _keep_in_memory(self, path: Path, error: OSError) -> None:
        logger.info("the part of an object is kept in memory alone, not in %s: %s", path, error)
        self.forget()
        self._path = None

    def _open(self, path: Path) -> None:
        for other in path.parent.glob(f"*{_ENDING}"):
            if other != path:
                other.unlink()
        if not path.is_file():
            return
        content, place = path.read_bytes(), 0
        while place + _ENTRY.size <= len(content):
            length, sequence = _ENTRY.unpack_from(content, place)
            begin = place + _ENTRY.size
            if begin + length > len(content):
                break
            self.data += content[begin : begin + length]
            self.sequence, place = sequence, begin + length
        if place < len(content):
            with path.open("r+b") as file:
                file.truncate(place)
