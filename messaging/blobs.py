"""The seam for blobs by digest and for named files, with a back end in memory.

A blob's name is the sha256 of its bytes; nothing is ever overwritten. Readers state the length that they
expect at most, and the digest is checked before a byte is used (endless-data and mix-up defence).
"""

import hashlib
from pathlib import Path
from typing import Protocol

from messaging.errors import BlobError


def digest_of(data: bytes) -> str:
    """sha256 hex."""
    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: Path) -> str:
    """sha256 hex of a file, which is read in pieces. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Blobs(Protocol):
    """Immutable bytes by digest. Asynchronous because one back end is a broker."""

    async def put(self, data: bytes) -> str:
        """Store and return the digest; storing the same bytes twice is one blob."""

    async def get(self, digest: str, *, max_bytes: int) -> bytes:
        """Bytes of a blob. Raises `BlobError`: absent, longer than `max_bytes`, or of another digest."""

    async def has(self, digest: str) -> bool:
        """Whether the blob is present."""


class NamedFiles(Protocol):
    """Small files by name that may be replaced (metadata). Not trusted: readers check its signatures."""

    async def ensure(self) -> None:
        """Create the storage if absent; safe to repeat. Needs permission to write."""

    async def put_named(self, name: str, data: bytes) -> None:
        """Store or replace a file."""

    async def get_named(self, name: str, *, max_bytes: int) -> bytes | None:
        """A file's bytes, or None when absent. Raises `BlobError`: longer than `max_bytes`, or damaged."""


def checked(data: bytes, digest: str, max_bytes: int) -> bytes:
    """The data, if length and digest are as expected. Raises `BlobError`."""
    if len(data) > max_bytes:
        raise BlobError(f"blob {digest[:12]} has {len(data)} bytes, at most {max_bytes} were expected")
    if digest_of(data) != digest:
        raise BlobError(f"blob {digest[:12]} has digest {digest_of(data)[:12]}; it was damaged or swapped")
    return data


class MemoryBlobs:
    """Blobs in a dictionary; public, for tests."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    async def put(self, data: bytes) -> str:
        """Store and return the digest."""
        digest = digest_of(data)
        self._blobs[digest] = data
        return digest

    async def get(self, digest: str, *, max_bytes: int) -> bytes:
        """Bytes of a blob."""
        if digest not in self._blobs:
            raise BlobError(f"blob {digest[:12]} is absent")
        return checked(self._blobs[digest], digest, max_bytes)

    async def has(self, digest: str) -> bool:
        """Whether the blob is present."""
        return digest in self._blobs


class MemoryFiles:
    """Named files in a dictionary; public, for tests."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    async def ensure(self) -> None:
        """Does nothing."""

    async def put_named(self, name: str, data: bytes) -> None:
        """Store or replace a file."""
        self._files[name] = data

    async def get_named(self, name: str, *, max_bytes: int) -> bytes | None:
        """A file's bytes, or None when absent."""
        data = self._files.get(name)
        if data is not None and len(data) > max_bytes:
            raise BlobError(f"file {name} has {len(data)} bytes, at most {max_bytes} were expected")
        return data
