"""Downloaded binary files, inspected before a library opens them: what they are, and whether they are whole.

A pointer file of Git LFS, an error page saved under a model's name or a cut download is recognised here, so
that it is one sentence and not an error from inside a library. Nothing here loads tensors.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from messaging.errors import FileFault

HEAD_BYTES = 512
MAX_HEADER_BYTES = 100_000_000
_LENGTH_BYTES = 8
_DTYPE_BITS = {
    "F4": 4, "E2M1": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8,
    "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64,
    "I64": 64, "U64": 64, "F64": 64,
}  # fmt: skip


@dataclass(frozen=True)
class TensorEntry:
    """Type and shape of one tensor, as a safetensors header states them."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class SafetensorsHeader:
    """The header of a safetensors file: its tensors by name, and its metadata."""

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]


def placeholder_of(head: bytes) -> str | None:
    """What a file holds instead of a model, by its first bytes, with the remedy; None if unknown."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if not head:
        return "is empty (0 bytes); download it again"
    if not head.strip(b"\0"):
        return "holds only zero bytes (an interrupted download or a damaged disk); download it again"
    if start.startswith((b"version https://git-lfs", b"version https://hawser")):
        return "is a Git-LFS pointer, not the file itself; run `git lfs pull` where it was cloned"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page (an error or login page saved by a download); download the file again"
    return None


def refuse_placeholder(path: Path) -> None:
    """Raise `FileFault` if the file is empty, a Git-LFS pointer or a web page, or cannot be read."""
    try:
        with path.open("rb") as file:
            what = placeholder_of(file.read(HEAD_BYTES))
    except OSError as error:
        raise FileFault(f"{path} cannot be read ({error.strerror or error})") from None
    if what is not None:
        raise FileFault(f"{path} {what}")


def read_safetensors_header(path: Path) -> SafetensorsHeader:
    """The header of a whole safetensors file, without its tensors.

    Raises `FileFault` if the file cannot be read, is none, or is shorter or longer than its header states.
    """
    refuse_placeholder(path)
    try:
        with path.open("rb") as file:
            length = path.stat().st_size
            size = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if length < _LENGTH_BYTES or size > MAX_HEADER_BYTES:
                raise FileFault(f"{path} is not a safetensors file; it may be a pickle or another format")
            text = file.read(size)
    except OSError as error:
        raise FileFault(f"{path} cannot be read ({error.strerror or error})") from None
    if not text.startswith(b"{"):
        raise FileFault(f"{path} is not a safetensors file; it may be a pickle or another format")
    if len(text) < size:
        raise FileFault(f"{path} is cut: it ends inside its header; download it again")
    return safetensors_header(text, stored_bytes=length - _LENGTH_BYTES - size, origin=str(path))


def safetensors_header(text: bytes, *, stored_bytes: int, origin: str) -> SafetensorsHeader:
    """Parse a header and compare it with the number of bytes stored after it. Raises `FileFault`."""
    try:
        document = json.loads(text)
        metadata = document.pop("__metadata__", {})
        tensors = {name: TensorEntry(e["dtype"], tuple(e["shape"])) for name, e in document.items()}
        ends = [(int(e["data_offsets"][0]), int(e["data_offsets"][1])) for e in document.values()]
        sizes = [math.prod(t.shape) * _DTYPE_BITS[t.dtype] / 8 for t in tensors.values()]
        if any(end - start != size for (start, end), size in zip(ends, sizes, strict=True)):
            raise FileFault(
                f"{origin} is damaged: a tensor's length differs from its shape; download it again"
            )
        header = SafetensorsHeader(tensors, {str(key): str(value) for key, value in metadata.items()})
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise FileFault(
            f"{origin} is not a safetensors file: its header cannot be read ({type(error).__name__})"
        ) from None
    stated = max((end for _, end in ends), default=0)
    if stored_bytes < stated:
        raise FileFault(
            f"{origin} is cut: {stated - stored_bytes} of its {stated} bytes of tensors are missing; "
            "download it again"
        )
    if stored_bytes > stated:
        raise FileFault(
            f"{origin} is damaged: {stored_bytes - stated} bytes follow its last tensor; download it again"
        )
    return header
