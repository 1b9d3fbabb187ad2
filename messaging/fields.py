"""Types of single fields that messages, files and configurations share: slugs, digests, fractions."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

DIGEST_PATTERN = r"^[0-9a-f]{64}$"
SLUG_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"

SLUG_WORDS = "lower-case letters, digits, _ and -, at most 40 of them, the first a letter or a digit"

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
Slug = Annotated[str, Field(pattern=SLUG_PATTERN, description=SLUG_WORDS)]
UnitFloat = Annotated[float, Field(ge=0.0, le=1.0)]


def fault_words(error: Mapping[str, Any]) -> str:
    """What is wrong with a value, from one of pydantic's errors; a slug's pattern in words."""
    if (error.get("ctx") or {}).get("pattern") == SLUG_PATTERN:
        return f"use {SLUG_WORDS}"
    return str(error["msg"]).removeprefix("Value error, ")
