"""Column encodings: how the values of one field are written as mixed-radix digits, and read.

The reports of one message are written column by column: a value that all reports have in common is written
once, and values that differ cost the bits of their spread. Every encoding bounds what it accepts; none
accepts free text, bytes or unbounded numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from messaging.errors import MessageRefused
from messaging.fields import Grid
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.reports import LAST_UTC, Report
from messaging.wire_format.mixed_radix import MixedRadixReader, MixedRadixWriter

PUBLIC_SLUGS = (
    *("fire", "smoke", "flood", "pothole", "garbage", "fallen_person", "stopped_vehicle"),
    UNKNOWN_CLASS,
)  # part of the wire format: other classes are written letter by letter
SLUG_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789_-"
MAX_SLUG_LENGTH = 40
EXPONENTS = range(-30, 10)
_ULID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_COUNT = 1 << 128


@dataclass(frozen=True)
class Origin:
    """The message's own time (seconds since 1970) and id: times and ids are written relative to them."""

    at_utc: int
    id: str


class ColumnEncoding(Protocol):
    """How one column is written and read: one value per report, in the reports' order."""

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """Write the column's digits. Raises `MessageRefused` for a value that does not fit."""

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """Read `count` values. Raises `MessageRefused`."""


@dataclass(frozen=True)
class BoundedInt:
    """Integers from `least` to `most` in steps."""

    least: int
    most: int
    step: int = 1

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        steps = [divmod(value - self.least, self.step) for value in column]
        if any(rest for _, rest in steps):
            raise MessageRefused(f"a number is not {self.least} plus a multiple of {self.step}")
        _put_integers(out, [quotient for quotient, _ in steps], self._size)

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`."""
        return [self.least + self.step * steps for steps in _take_integers(source, count, self._size)]

    @property
    def _size(self) -> int:
        return (self.most - self.least) // self.step + 1


@dataclass(frozen=True)
class OneOf:
    """One of a few values: enum members, booleans."""

    values: tuple[Any, ...]

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        _put_integers(out, [self.values.index(value) for value in column], len(self.values))

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`."""
        return [self.values[index] for index in _take_integers(source, count, len(self.values))]


@dataclass(frozen=True)
class GridNumber:
    """Numbers from 0 to `most` on a grid."""

    grid: Grid
    most: float

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        _put_integers(out, [self.grid.steps(value) for value in column], self._size)

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`."""
        return [self.grid.value(steps) for steps in _take_integers(source, count, self._size)]

    @property
    def _size(self) -> int:
        return self.grid.steps(self.most) + 1


@dataclass(frozen=True)
class DecimalNumber:
    """Positive decimals with at most `digits` significant digits, and zero: mantissas, then exponents."""

    digits: int

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        parts = [Decimal(f"{value:.{self.digits}g}").normalize().as_tuple() for value in column]
        mantissas = [int("".join(map(str, part.digits))) * (-1 if part.sign else 1) for part in parts]
        _put_integers(out, mantissas, 10**self.digits)
        exponents = [int(part.exponent) - EXPONENTS.start for part in parts]
        _put_integers(out, exponents, len(EXPONENTS))

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`."""
        mantissas = _take_integers(source, count, 10**self.digits)
        exponents = _take_integers(source, count, len(EXPONENTS))
        return [float(f"{m}e{e + EXPONENTS.start}") for m, e in zip(mantissas, exponents, strict=True)]


@dataclass(frozen=True)
class RelativeTime:
    """Seconds since 1970 in steps, relative to the message's own time."""

    step: int

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        steps = [divmod(value, self.step) for value in column]
        if any(rest for _, rest in steps):
            raise MessageRefused(f"a time is not in steps of {self.step} s")
        _put_signed(out, [quotient - origin.at_utc // self.step for quotient, _ in steps], LAST_UTC + 1)

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`."""
        differences = _take_signed(source, count, LAST_UTC + 1)
        return [(steps + origin.at_utc // self.step) * self.step for steps in differences]


@dataclass(frozen=True)
class RelativeUlid:
    """ULIDs, relative to the message's own: a node numbers its ids in sequence, so they are close."""

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        own = ulid_number(origin.id)
        _put_signed(out, [ulid_number(value) - own for value in column], _ULID_COUNT)

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`."""
        own = ulid_number(origin.id)
        return [ulid_text(number + own) for number in _take_signed(source, count, _ULID_COUNT)]


@dataclass(frozen=True)
class SlugText:
    """Slugs, each distinct one once per column: by its index in `PUBLIC_SLUGS`, or letter by letter."""

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        for slug in _put_indices(out, column):
            index = PUBLIC_SLUGS.index(slug) + 1 if slug in PUBLIC_SLUGS else 0
            out.put(index, len(PUBLIC_SLUGS) + 1)
            if not index:
                out.put(len(slug) - 1, MAX_SLUG_LENGTH)
                for letter in slug:
                    out.put(SLUG_ALPHABET.index(letter), len(SLUG_ALPHABET))

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`."""
        indices = _take_integers(source, count, max(1, count))
        distinct = [self._slug(source) for _ in range(max(indices, default=-1) + 1)]
        return [distinct[index] for index in indices]

    @staticmethod
    def _slug(source: MixedRadixReader) -> str:
        index = source.take(len(PUBLIC_SLUGS) + 1)
        if index:
            return PUBLIC_SLUGS[index - 1]
        length = source.take(MAX_SLUG_LENGTH) + 1
        return "".join(SLUG_ALPHABET[source.take(len(SLUG_ALPHABET))] for _ in range(length))


@dataclass(frozen=True)
class HexDigest:
    """sha256 digests, each distinct one once per column."""

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        for digest in _put_indices(out, column):
            if len(digest) != 64:
                raise MessageRefused(f"a digest has 64 digits, not {len(digest)}")
            out.put(int(digest, 16), 1 << 256)

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`."""
        indices = _take_integers(source, count, max(1, count))
        distinct = [f"{source.take(1 << 256):064x}" for _ in range(max(indices, default=-1) + 1)]
        return [distinct[index] for index in indices]


@dataclass(frozen=True)
class OptionalValue:
    """Values that may be absent: first which are present, then the present ones as one column."""

    inner: ColumnEncoding

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        _put_integers(out, [value is not None for value in column], 2)
        self.inner.write(out, [value for value in column if value is not None], origin)

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`."""
        present = _take_integers(source, count, 2)
        values = iter(self.inner.read(source, sum(present), origin))
        return [next(values) if there else None for there in present]


@dataclass(frozen=True)
class BoundedList:
    """Lists of bounded length: first the lengths, then the items of all lists as one column."""

    inner: ColumnEncoding
    least: int
    most: int

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        BoundedInt(self.least, self.most).write(out, [len(values) for values in column], origin)
        self.inner.write(out, [value for values in column for value in values], origin)

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`."""
        lengths = BoundedInt(self.least, self.most).read(source, count, origin)
        values = iter(self.inner.read(source, sum(lengths), origin))
        return [tuple(next(values) for _ in range(length)) for length in lengths]


@dataclass(frozen=True)
class ModelFields:
    """A payload or a part of one: its fields in the order of the model, each a column."""

    model: type[Report]
    fields: tuple[tuple[str, ColumnEncoding], ...]

    def write(self, out: MixedRadixWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `ColumnEncoding`."""
        for name, encoding in self.fields:
            encoding.write(out, [getattr(value, name) for value in column], origin)

    def read(self, source: MixedRadixReader, count: int, origin: Origin) -> list[Any]:
        """See `ColumnEncoding`; every value is validated as it is built."""
        columns = {name: encoding.read(source, count, origin) for name, encoding in self.fields}
        return [
            self.model.model_validate({name: column[row] for name, column in columns.items()})
            for row in range(count)
        ]


def ulid_number(ulid: str) -> int:
    """A ULID as an integer of 128 bits. Raises `ValueError` for another letter."""
    number = 0
    for letter in ulid:
        number = number * 32 + _ULID_ALPHABET.index(letter)
    return number


def ulid_text(number: int) -> str:
    """An integer of 128 bits as a ULID. Raises `MessageRefused` outside its range."""
    if not 0 <= number < _ULID_COUNT:
        raise MessageRefused("an id is outside 128 bits")
    return "".join(_ULID_ALPHABET[number >> 5 * place & 31] for place in reversed(range(26)))


def _put_integers(out: MixedRadixWriter, values: Sequence[int], size: int) -> None:
    """Integers from 0 to size - 1: the smallest, then the differences to it."""
    if values:
        least = min(values)
        out.put_varint(least, size)
        _put_differences(out, [value - least for value in values], size - least)


def _take_integers(source: MixedRadixReader, count: int, size: int) -> list[int]:
    if not count:
        return []
    least = source.take_varint(size)
    return [least + difference for difference in _take_differences(source, count, size - least)]


def _put_signed(out: MixedRadixWriter, values: Sequence[int], size: int) -> None:
    """The same for integers between -size and size: the sign of the smallest goes first."""
    if values:
        least = min(values)
        out.put(least < 0, 2)
        out.put_varint(abs(least), size)
        _put_differences(out, [value - least for value in values], 2 * size)


def _take_signed(source: MixedRadixReader, count: int, size: int) -> list[int]:
    if not count:
        return []
    negative, magnitude = source.take(2), source.take_varint(size)
    least = -magnitude if negative else magnitude
    return [least + difference for difference in _take_differences(source, count, 2 * size)]


def _put_differences(out: MixedRadixWriter, differences: Sequence[int], size: int) -> None:
    """The largest difference, then each one with that radix; a single value has none."""
    if len(differences) > 1:
        largest = max(differences)
        out.put_varint(largest, size)
        for difference in differences:
            out.put(difference, largest + 1)


def _take_differences(source: MixedRadixReader, count: int, size: int) -> list[int]:
    if count == 1:
        return [0]
    largest = source.take_varint(size)
    return [source.take(largest + 1) for _ in range(count)]


def _put_indices(out: MixedRadixWriter, column: Sequence[str]) -> list[str]:
    """Write each value's index among the distinct values; returns these in order of first appearance."""
    distinct = list(dict.fromkeys(column))
    _put_integers(out, [distinct.index(value) for value in column], max(1, len(column)))
    return distinct
