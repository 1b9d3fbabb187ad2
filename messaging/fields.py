"""Types of single fields that messages, files and configurations share: slugs, digests, fractions."""

from typing import Annotated

from pydantic import Field

DIGEST_PATTERN = r"^[0-9a-f]{64}$"
SLUG_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
Slug = Annotated[
    str, Field(pattern=SLUG_PATTERN, description="lower-case letters, digits, _ and -, at most 40 of them")
]
UnitFloat = Annotated[float, Field(ge=0.0, le=1.0)]
