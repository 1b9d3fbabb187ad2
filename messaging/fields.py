"""Types of single fields that messages, files and configurations share: slugs, digests, fractions, grids."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function

DIGEST_PATTERN = r"^[0-9a-f]{64}$"
SLUG_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"

ULID_PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"

SLUG_WORDS = "lower-case letters, digits, _ and -, at most 40 of them, the first a letter or a digit"
_PATTERN_WORDS = {
    SLUG_PATTERN: SLUG_WORDS,
    ULID_PATTERN: "an id of 26 digits and capital letters, as the lists show it",
    DIGEST_PATTERN: "a digest of 64 digits and letters from a to f",
}

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
Slug = Annotated[str, Field(pattern=SLUG_PATTERN, description=SLUG_WORDS)]
Ulid = Annotated[str, Field(pattern=ULID_PATTERN)]
UnitFloat = Annotated[float, Field(ge=0.0, le=1.0)]


@dataclass(frozen=True)
class Grid:
    """A number is rounded to whole steps when its report is built."""

    step: float

    def steps(self, value: float) -> int:
        """The value in steps, rounded."""
        return round(value / self.step)

    def value(self, steps: int) -> float:
        """The value of so many steps."""
        return round(steps * self.step, 6)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Round after the bounds were checked."""
        return no_info_after_validator_function(lambda v: self.value(self.steps(v)), handler(source))


@dataclass(frozen=True)
class Significant:
    """A number keeps so many significant digits; more digits could carry data that is not a metric."""

    digits: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Round after the bounds were checked."""
        return no_info_after_validator_function(lambda v: float(f"{v:.{self.digits}g}"), handler(source))


Fraction = Annotated[float, Field(ge=0.0, le=1.0), Grid(0.01)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Milliseconds = Annotated[float, Field(ge=0.0, le=600_000.0), Grid(0.1)]


def fault_words(error: Mapping[str, Any]) -> str:
    """What is wrong with a value, from one of pydantic's errors; the patterns of this module in words."""
    words = _PATTERN_WORDS.get((error.get("ctx") or {}).get("pattern", ""))
    if words is not None:
        return f"use {words}"
    return str(error["msg"]).removeprefix("Value error, ")
