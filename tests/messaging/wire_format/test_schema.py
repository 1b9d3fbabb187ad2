"""An encoding for each field by its schema, none where bounds are missing, and few bytes per report."""

from enum import StrEnum
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from messaging.errors import MessageRefused
from messaging.fields import Slug, Ulid
from messaging.reports import (
    BoxGeometry,
    Fraction,
    Report,
    Significant,
    UtcMinute,
    UtcSeconds,
)
from messaging.wire_format.codec import encode
from messaging.wire_format.column_encodings import Origin, ulid_number, ulid_text
from messaging.wire_format.experiments.busy_minute import busy_minute
from messaging.wire_format.mixed_radix import MixedRadixReader, MixedRadixWriter
from messaging.wire_format.schema import encoding_of
from tests.support.messaging.samples import ULID_SAMPLE

NOW = 1_800_000_000


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Everything(Report):
    slug: Slug
    fraction: Fraction
    number: int = Field(ge=-5, le=10**7)
    tens: int = Field(ge=20, le=1000, multiple_of=10)
    decimal: Annotated[float, Field(ge=0.0, le=1e6), Significant(6)]
    at_utc: UtcSeconds
    minute_utc: UtcMinute
    event: Ulid
    colour: Colour
    yes: bool
    box: BoxGeometry | None
    zone: Slug | None
    steps: tuple[Annotated[int, Field(ge=-127, le=127)], ...] = Field(max_length=4)
    boxes: tuple[BoxGeometry, ...] = Field(max_length=3)


fractions = st.floats(0, 1)
boxes = st.builds(BoxGeometry, cx=fractions, cy=fractions, w=fractions, h=fractions)
slugs = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,39}", fullmatch=True) | st.sampled_from(["fire", "unknown"])
everything = st.builds(
    Everything,
    slug=slugs,
    fraction=fractions,
    number=st.integers(-5, 10**7),
    tens=st.integers(2, 100).map(lambda n: 10 * n),
    decimal=st.floats(1e-9, 1e6) | st.just(0.0),
    at_utc=st.integers(0, 4_000_000_000),
    minute_utc=st.integers(0, 60_000_000).map(lambda n: 60 * n),
    event=st.integers(0, 2**128 - 1).map(ulid_text),
    colour=st.sampled_from(Colour),
    yes=st.booleans(),
    box=st.none() | boxes,
    zone=st.none() | slugs,
    steps=st.lists(st.integers(-127, 127), max_size=4).map(tuple),
    boxes=st.lists(boxes, max_size=3).map(tuple),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(reports=st.lists(everything, min_size=1, max_size=5))
def test_what_is_encoded_is_decoded_the_same(reports: list[Everything]) -> None:
    encoding, origin, out = encoding_of(Everything), Origin(NOW, ULID_SAMPLE), MixedRadixWriter()
    encoding.write(out, reports, origin)
    source = MixedRadixReader(out.to_bytes())
    assert encoding.read(source, len(reports), origin) == reports
    source.end()


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        (str, "free text"),
        (Annotated[str, Field(max_length=8)], "free text"),
        (bytes, "bytes has no encoding"),
        (float, "grid or a number of significant digits"),
        (int, "no bound"),
        (Annotated[int, Field(ge=0)], "no bound 'le'"),
        (tuple[bool, ...], "no bound 'max_length'"),
        (dict[str, int], "has no encoding"),
        (list[int], "has no encoding"),
        (Any, "has no encoding"),
    ],
)
def test_a_field_without_bounds_has_no_encoding(annotation: Any, sentence: str) -> None:
    model = type("Sloppy", (Report,), {"__annotations__": {"field": annotation}})
    with pytest.raises(TypeError, match=rf"Sloppy\.field cannot be encoded: .*{sentence}"):
        encoding_of(model)


def test_an_id_is_a_number_and_back() -> None:
    assert ulid_text(ulid_number(ULID_SAMPLE)) == ULID_SAMPLE
    with pytest.raises(MessageRefused):
        ulid_text(2**128)


def test_a_digit_outside_its_radix_and_digits_that_are_left_are_refused() -> None:
    out = MixedRadixWriter()
    with pytest.raises(MessageRefused):
        out.put(5, 5)
    out.put_varint(1000, 10_000)
    with pytest.raises(MessageRefused, match="bits are left"):
        MixedRadixReader(out.to_bytes()).end()


MINUTE_OF_MESSAGES = busy_minute()


@pytest.mark.parametrize(
    ("name", "bytes_per_report"),
    [
        ("misdetection x 32", 10),
        ("misdetection x 8", 18),
        ("hazard x 32", 12),
        ("hazard x 4", 35),
        ("recall x 16", 11),
        ("prototype x 4", 100),
    ],
)
def test_a_report_of_a_busy_minute_needs_few_bytes(name: str, bytes_per_report: int) -> None:
    message = MINUTE_OF_MESSAGES[name]
    assert len(encode(message)) <= bytes_per_report * len(message.reports)
