"""Blobs and named files in a JetStream object bucket, written in the layout that `nats object` reads.

Reading is a loop of Direct Gets, one chunk each with a time limit of its own, because a site may do
nothing else and because the stock client waits without limit when chunks vanish. A broken read continues
at the chunk where it broke, by another process too; length and digest are checked before a byte is used.
"""

import base64
import hashlib
import json
import logging
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messaging.blobs import checked, digest_of
from messaging.errors import BlobError, WireUnavailable
from messaging.nats.bus import NatsBus
from messaging.nats.partial_object import PartialObject
from messaging.nats.subjects import MODELS_BUCKET

logger = logging.getLogger(__name__)

CHUNK_BYTES = 128 * 1024
_HEADER_BYTES = 1024
_TRIES = 4


@dataclass(frozen=True)
class _ObjectInfo:
    length_bytes: int
    nuid: str
    digest: str


class NatsBlobs:
    """One bucket: immutable blobs under `prefix` + digest, or files by name that may be replaced."""

    def __init__(
        self,
        bus: NatsBus,
        bucket: str = MODELS_BUCKET,
        *,
        prefix: str = "det/",
        max_bytes: int = 4 * 2**30,
        partial_folder: Path | None = None,
    ) -> None:
        """`partial_folder` keeps what was read when a read breaks off, for the next process too."""
        self._bus = bus
        self._bucket = bucket
        self._prefix = prefix
        self._max_bytes = max_bytes
        self._partial_folder = partial_folder
        self._broken_off: PartialObject | None = None

    async def ensure(self) -> None:
        """Create the bucket if absent."""
        await self._bus.ensure_raw_stream(
            {
                "name": self._stream,
                "subjects": [f"$O.{self._bucket}.C.>", f"$O.{self._bucket}.M.>"],
                "max_bytes": self._max_bytes,
                "max_msg_size": CHUNK_BYTES + _HEADER_BYTES,
                "allow_rollup_hdrs": True,
            }
        )

    async def put(self, data: bytes) -> str:
        """Store and return the digest; storing the same bytes twice is one blob."""
        digest = digest_of(data)
        if not await self.has(digest):
            await self.put_named(self._prefix + digest, data)
        return digest

    async def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        return await self._info(self._prefix + digest) is not None

    async def get(self, digest: str, *, max_bytes: int) -> bytes:
        """Bytes of a blob. Raises `BlobError`: absent, longer than `max_bytes`, or of another digest."""
        data = await self.get_named(self._prefix + digest, max_bytes=max_bytes)
        if data is None:
            raise BlobError(f"blob {digest[:12]} is absent from bucket {self._bucket}")
        return checked(data, digest, max_bytes)

    async def put_named(self, name: str, data: bytes) -> None:
        """Store or replace a file; readers see the old or the new one, never a mixture."""
        before = await self._info(name)
        nuid = uuid.uuid4().hex
        chunks = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
        for chunk in chunks:
            await self._bus.publish(self._chunk_subject(nuid), chunk, message_id="")
        meta = {
            "name": name,
            "bucket": self._bucket,
            "nuid": nuid,
            "size": len(data),
            "chunks": len(chunks),
            "digest": _digest_text(data),
            "options": {"max_chunk_size": CHUNK_BYTES},
        }
        body = json.dumps(meta).encode()
        await self._bus.publish(self._meta_subject(name), body, message_id="", headers={"Nats-Rollup": "sub"})
        if before is not None:
            await self._bus.purge_subject(self._stream, self._chunk_subject(before.nuid))

    async def get_named(self, name: str, *, max_bytes: int) -> bytes | None:
        """A file's bytes, or None when absent. Raises `BlobError`: longer than `max_bytes`, or damaged."""
        info = await self._info(name)
        if info is None:
            return None
        if info.length_bytes > max_bytes:
            raise BlobError(f"{name} has {info.length_bytes} bytes, at most {max_bytes} were expected")
        whole = await self._all_chunks(info, name)
        if _digest_text(whole).rstrip("=") != info.digest.rstrip("="):
            raise BlobError(f"{name} has another digest than announced; it was damaged or replaced meanwhile")
        return whole

    @property
    def _stream(self) -> str:
        return f"OBJ_{self._bucket}"

    def _chunk_subject(self, nuid: str) -> str:
        return f"$O.{self._bucket}.C.{nuid}"

    def _meta_subject(self, name: str) -> str:
        return f"$O.{self._bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"

    async def _info(self, name: str) -> _ObjectInfo | None:
        reply = await self._bus.direct_get(self._stream, self._meta_subject(name))
        if reply is None:
            return None
        try:
            meta: dict[str, Any] = json.loads(reply.data)
            if meta.get("deleted"):
                return None
            return _ObjectInfo(int(meta["size"]), str(meta["nuid"]), str(meta["digest"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BlobError(f"{name} in bucket {self._bucket} has unreadable metadata ({error})") from None

    async def _all_chunks(self, info: _ObjectInfo, name: str) -> bytes:
        """All chunks in order; what was read before the link broke is not read again."""
        kept = self._broken_off
        if kept is None or kept.nuid != info.nuid:
            kept = PartialObject(info.nuid, self._partial_folder)
        self._broken_off = partial = kept
        while len(partial.data) < info.length_bytes:
            chunk, sequence = await self._chunk(info, name, partial.sequence)
            partial.add(chunk, sequence)
            if not chunk or len(partial.data) > info.length_bytes:
                self._forget(partial)
                raise BlobError(f"{name} gives more or less than the {info.length_bytes} bytes it announced")
        self._forget(partial)
        return bytes(partial.data)

    def _forget(self, partial: PartialObject) -> None:
        partial.forget()
        self._broken_off = None

    async def _chunk(self, info: _ObjectInfo, name: str, sequence: int) -> tuple[bytes, int]:
        """The next chunk at or after a stream sequence, and the position to continue from."""
        query = {"seq": sequence, "next_by_subj": self._chunk_subject(info.nuid)}
        for attempt in range(1, _TRIES + 1):
            try:
                reply = await self._bus.direct_get(self._stream, query=query)
                break
            except WireUnavailable as error:
                if attempt == _TRIES:
                    raise
                logger.info("reading %s: %s; taken up again at sequence %d", name, error, sequence)
        if reply is None:
            raise BlobError(f"{name} lacks chunks in bucket {self._bucket}; it was purged or replaced")
        return reply.data, int(reply.headers["Nats-Sequence"]) + 1


def _digest_text(data: bytes) -> str:
    return "SHA-256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
