"""The schema of a message as text, one line per field, and its digest, which every message carries.

Whatever changes the meaning of a digit (the order of fields, a bound, a step, an enum member, a public slug)
changes the text and with it the digest. The text never depends on the names of classes or modules.
"""

import hashlib
from collections.abc import Iterator
from enum import Enum
from typing import Any

from messaging.reports import LAST_UTC
from messaging.wire_format.column_encodings import (
    EXPONENTS,
    MAX_SLUG_LENGTH,
    PUBLIC_SLUGS,
    SLUG_ALPHABET,
    BoundedInt,
    BoundedList,
    ColumnEncoding,
    DecimalNumber,
    GridNumber,
    HexDigest,
    ModelFields,
    OneOf,
    OptionalValue,
    RelativeTime,
    RelativeUlid,
    SlugText,
)

SCHEMA_DIGEST_BYTES = 3
SHARED_LINES = (
    f"slug: 1..{MAX_SLUG_LENGTH} letters of {SLUG_ALPHABET}, or one of {' '.join(PUBLIC_SLUGS)}",
    f"decimal: exponent {EXPONENTS.start}..{EXPONENTS.stop - 1}",
    f"time: 0..{LAST_UTC}",
)


def schema_text(kind: str, number: int, max_reports: int, encoding: ModelFields) -> str:
    """The schema of one payload type: shared definitions, kind with its number, and its fields in order."""
    lines = (*SHARED_LINES, f"kind {number}: {kind}, 1..{max_reports} reports", *_lines("", encoding))
    return "\n".join(lines) + "\n"


def schema_digest(text: str) -> bytes:
    """The first bytes of the text's sha256."""
    return hashlib.sha256(text.encode("ascii")).digest()[:SCHEMA_DIGEST_BYTES]


def _lines(path: str, encoding: ColumnEncoding, prefix: str = "") -> Iterator[str]:
    match encoding:
        case OptionalValue(inner):
            yield from _lines(path, inner, f"{prefix}optional ")
        case BoundedList(inner, least, most):
            yield from _lines(path, inner, f"{prefix}list of {least}..{most} ")
        case ModelFields(_, fields):
            if path:
                yield f"{path}: {prefix}group of {len(fields)} fields"
            for name, inner in fields:
                yield from _lines(f"{path}.{name}" if path else name, inner)
        case _:
            yield f"{path}: {prefix}{_plain(encoding)}"


def _plain(encoding: ColumnEncoding) -> str:
    match encoding:
        case BoundedInt(least, most, step):
            return f"int {least}..{most} step {step}"
        case OneOf(values):
            return "one of " + " ".join(_name(value) for value in values)
        case GridNumber(grid, most):
            return f"number 0..{most!r} step {grid.step!r}"
        case DecimalNumber(digits):
            return f"decimal of {digits} digits"
        case RelativeTime(step):
            return f"time step {step}"
        case RelativeUlid():
            return "ulid"
        case SlugText():
            return "slug"
        case HexDigest():
            return "digest"
    raise TypeError(f"{type(encoding).__name__} has no line in a schema")


def _name(value: Any) -> str:
    return str(value.value if isinstance(value, Enum) else value).lower()
