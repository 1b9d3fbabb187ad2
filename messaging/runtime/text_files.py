"""Reading text files: UTF-8, with or without a byte-order mark; anything else is one sentence.

Every text or JSON file that a person, another program or an earlier run may have written is read here, so
that a damaged or foreign file never becomes a traceback.
"""

import codecs
import json
from pathlib import Path
from typing import Any

from messaging.errors import FileFault

TEXT_LIMIT_BYTES = 64 * 2**20
_OTHER_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def read_bytes(path: Path, *, limit_bytes: int = TEXT_LIMIT_BYTES) -> bytes:
    """The whole file. Raises `FileFault` if it is unreadable, no regular file, or longer than the limit."""
    try:
        if path.exists() and not path.is_file():
            raise FileFault(f"{path} is not a regular file; name a file")
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise FileFault(f"{path} cannot be read ({error.strerror or error})") from None
    if len(data) > limit_bytes:
        raise FileFault(f"{path} is longer than {limit_bytes} bytes, which no file of its kind is")
    return data


def read_text(path: Path, *, limit_bytes: int = TEXT_LIMIT_BYTES) -> str:
    """The file as text, without its byte-order mark. Raises `FileFault` for another encoding than UTF-8."""
    return decode_text(read_bytes(path, limit_bytes=limit_bytes), origin=str(path))


def decode_text(data: bytes, *, origin: str) -> str:
    """UTF-8 bytes as text, without the byte-order mark. Raises `FileFault`; `origin` names the input."""
    for mark, name in _OTHER_ENCODINGS:
        if data.startswith(mark):
            raise FileFault(f"{origin} is {name} text; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileFault(
            f"{origin} line {line}: byte {data[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        ) from None
    if "\0" in text:
        raise FileFault(f"{origin} holds zero bytes, so it is not UTF-8 text; save it as UTF-8")
    return text


def read_json(path: Path, *, limit_bytes: int = TEXT_LIMIT_BYTES) -> Any:
    """The JSON document in the file. Raises `FileFault` with the line of the first mistake."""
    return decode_json(read_text(path, limit_bytes=limit_bytes), origin=str(path))


def decode_json(text: str, *, origin: str) -> Any:
    """The JSON document in a text. Raises `FileFault`, also for a repeated key; `origin` names it."""
    if not text.strip():
        raise FileFault(f"{origin} is empty; expected a JSON document")
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        raise FileFault(f"{origin} line {error.lineno}: not valid JSON ({error.msg})") from None
    except RecursionError:
        raise FileFault(f"{origin}: JSON nested too deeply") from None
    except ValueError as error:
        raise FileFault(f"{origin}: not valid JSON ({str(error)[:120]})") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise ValueError(f"key {twice[:40]!r} is there twice")
    return values
