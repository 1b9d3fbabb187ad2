"""Packing: a form for each field by its schema, none where bounds are missing, few bytes for what leaves."""

import random
from enum import StrEnum
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from messaging.errors import MessageRefused
from messaging.releases import Slug
from messaging.reports import (
    BoxGeometry,
    ConditionTags,
    ErrorKind,
    EvidenceSource,
    Fraction,
    HazardState,
    Report,
    Significant,
    Ulid,
    UtcMinute,
    UtcSeconds,
)
from messaging.taxonomy import Light, RegionBin, SizeBin, Weather
from messaging.wire_format.codec import Message, encode
from messaging.wire_format.column_encodings import Origin, ulid_number, ulid_text
from messaging.wire_format.mixed_radix import MixedRadixReader, MixedRadixWriter
from messaging.wire_format.schema import encoding_of
from tests.support.messaging.samples import HAZARD, MINUTE, MISDETECTION, PROTOTYPE, RECALL, ULID_SAMPLE

NOW = 1_800_000_000


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Everything(Report):
    word: Slug
    share: Fraction
    number: int = Field(ge=-5, le=10**7)
    tens: int = Field(ge=20, le=1000, multiple_of=10)
    figure: Annotated[float, Field(ge=0.0, le=1e6), Significant(6)]
    at_utc: UtcSeconds
    minute_utc: UtcMinute
    event: Ulid
    colour: Colour
    yes: bool
    box: BoxGeometry | None
    zone: Slug | None
    steps: tuple[Annotated[int, Field(ge=-127, le=127)], ...] = Field(max_length=4)
    boxes: tuple[BoxGeometry, ...] = Field(max_length=3)


shares = st.floats(0, 1)
boxes = st.builds(BoxGeometry, cx=shares, cy=shares, w=shares, h=shares)
slugs = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,39}", fullmatch=True) | st.sampled_from(["fire", "unknown"])
everything = st.builds(
    Everything,
    word=slugs,
    share=shares,
    number=st.integers(-5, 10**7),
    tens=st.integers(2, 100).map(lambda n: 10 * n),
    figure=st.floats(1e-9, 1e6) | st.just(0.0),
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
def test_what_is_packed_is_unpacked_the_same(reports: list[Everything]) -> None:
    form, origin, out = encoding_of(Everything), Origin(NOW, ULID_SAMPLE), MixedRadixWriter()
    form.write(out, reports, origin)
    source = MixedRadixReader(out.to_bytes())
    assert form.read(source, len(reports), origin) == reports
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
def test_a_field_with_room_for_anything_has_no_form(annotation: Any, sentence: str) -> None:
    model = type("Sloppy", (Report,), {"__annotations__": {"field": annotation}})
    with pytest.raises(TypeError, match=rf"Sloppy\.field cannot be encoded: .*{sentence}"):
        encoding_of(model)


def test_an_id_is_a_number_and_back() -> None:
    assert ulid_text(ulid_number(ULID_SAMPLE)) == ULID_SAMPLE
    with pytest.raises(MessageRefused):
        ulid_text(2**128)


def test_a_digit_outside_its_radix_is_refused_and_a_rest_is_noticed() -> None:
    out = MixedRadixWriter()
    with pytest.raises(MessageRefused):
        out.put(5, 5)
    out.put_varint(1000, 10_000)
    with pytest.raises(MessageRefused, match="bits are left"):
        MixedRadixReader(out.to_bytes()).end()


# -- a busy minute of two cameras ---------------------------------------------------------------------


def _tags(chance: random.Random) -> ConditionTags:
    return ConditionTags(
        light=chance.choice([Light.NIGHT, Light.DAY]),
        weather=Weather.RAIN,
        size=chance.choice(list(SizeBin)[:4]),
        region=chance.choice(list(RegionBin)[:9]),
    )


def _seen(chance: random.Random) -> dict[str, Any]:
    size = chance.uniform(0.02, 0.4)
    return {
        "camera": chance.choice(["bridge", "market"]),
        "class_name": chance.choice(["fire", "smoke", "pothole", "garbage", "fallen_person"]),
        "tags": _tags(chance),
        "box": BoxGeometry(cx=chance.random(), cy=chance.uniform(0.4, 1), w=size, h=size * chance.random()),
    }


def _misdetections(chance: random.Random, count: int) -> list[Report]:
    return [
        MISDETECTION.model_copy(
            update={
                **_seen(chance),
                "kind": chance.choice(list(ErrorKind)),
                "evidence": chance.choice(list(EvidenceSource)[:5]),
                "probability": chance.choice([0.3, 0.45, 0.5, 0.52, 0.8, 0.83]),
                "minute_utc": MINUTE + chance.choice([0, 60]),
            }
        )
        for _ in range(count)
    ]


def _hazards(chance: random.Random, count: int) -> list[Report]:
    return [
        HAZARD.model_copy(
            update={
                **_seen(chance),
                "event": ulid_text(ulid_number(ULID_SAMPLE) + chance.randrange(300)),
                "state": chance.choice([HazardState.OPENED, HazardState.CLOSED]),
                "severity": chance.randint(1, 5),
                "confidence": round(chance.uniform(0.3, 1), 2),
                "started_at_utc": NOW - chance.randrange(20),
                "at_utc": NOW + chance.randrange(5),
                "zone": None,
            }
        )
        for _ in range(count)
    ]


def _tallies(chance: random.Random, count: int) -> list[Report]:
    seen = [_seen(chance) for _ in range(count)]
    return [
        RECALL.model_copy(
            update={
                "camera": one["camera"],
                "class_name": one["class_name"],
                "light": one["tags"].light,
                "supported": chance.randint(1, 6),
                "detected": chance.randint(0, 6),
            }
        )
        for one in seen
    ]


def _prototypes(chance: random.Random, count: int) -> list[Report]:
    return [
        PROTOTYPE.model_copy(
            update={
                "vector": tuple(max(-127, min(127, round(chance.gauss(0, 50)))) for _ in range(64)),
                "scale": float(f"{chance.uniform(0.001, 0.1):.6g}"),
                "noise_sigma": float(f"{chance.uniform(0.01, 0.3):.6g}"),
                "epsilon_spent": float(f"{chance.uniform(1, 8):.6g}"),
            }
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("reports", "bytes_each"),
    [
        (_misdetections(random.Random(1), 32), 10),
        (_misdetections(random.Random(2), 8), 18),
        (_hazards(random.Random(3), 32), 12),
        (_hazards(random.Random(4), 4), 35),
        (_tallies(random.Random(5), 16), 8),
        (_prototypes(random.Random(6), 4), 100),
    ],
    ids=lambda value: f"{type(value[0]).__name__}x{len(value)}" if isinstance(value, list) else f"{value}B",
)
def test_a_busy_minute_leaves_in_few_bytes(reports: list[Report], bytes_each: int) -> None:
    data = encode(Message(ULID_SAMPLE, "north", NOW, reports[0], tuple(reports[1:])))
    assert len(data) <= bytes_each * len(reports), f"{len(data)} bytes for {len(reports)}"
