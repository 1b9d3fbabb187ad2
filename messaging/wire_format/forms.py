"""The forms that a field of a payload may have: how a column of such values is written in digits, and read.

Reports of one message are written column by column: what they share is written once, what differs costs
the bits of its spread. Every form bounds what it takes; none takes free text, bytes or numbers without end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from messaging.errors import MessageRefused
from messaging.reports import LAST_UTC, Grid, Report
from messaging.taxonomy import DEFAULT_TAXONOMY, UNKNOWN_CLASS
from messaging.wire_format.digits import DigitReader, DigitWriter

PUBLIC_WORDS = (*DEFAULT_TAXONOMY.names, UNKNOWN_CLASS)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_LONGEST_SLUG = 40
_ULID_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULIDS = 1 << 128
_EXPONENTS = range(-30, 10)


@dataclass(frozen=True)
class Origin:
    """What times and ids of a message are counted from: its own time (seconds since 1970) and id."""

    at_utc: int
    id: str


class Form(Protocol):
    """How one column is written and read: one value a report, in the reports' order."""

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """Put the column's digits. Raises `MessageRefused` for a value that does not fit."""

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """Take `count` values. Raises `MessageRefused`."""


@dataclass(frozen=True)
class Whole:
    """Whole numbers from `least` to `most` in steps."""

    least: int
    most: int
    step: int = 1

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        steps = [divmod(value - self.least, self.step) for value in column]
        if any(rest for _, rest in steps):
            raise MessageRefused(f"a number is not {self.least} plus a multiple of {self.step}")
        _put_column(out, [place for place, _ in steps], self._size)

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`."""
        return [self.least + self.step * place for place in _take_column(source, count, self._size)]

    @property
    def _size(self) -> int:
        return (self.most - self.least) // self.step + 1


@dataclass(frozen=True)
class Choice:
    """One of a few values: enum members, truth values."""

    values: tuple[Any, ...]

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        _put_column(out, [self.values.index(value) for value in column], len(self.values))

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`."""
        return [self.values[place] for place in _take_column(source, count, len(self.values))]


@dataclass(frozen=True)
class OnGrid:
    """Fractions from 0 to `most` on a grid."""

    grid: Grid
    most: float

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        _put_column(out, [self.grid.steps(value) for value in column], self.grid.steps(self.most) + 1)

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`."""
        places = _take_column(source, count, self.grid.steps(self.most) + 1)
        return [self.grid.value(place) for place in places]


@dataclass(frozen=True)
class Figure:
    """Positive decimal fractions with so many significant digits, and zero."""

    digits: int

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        parts = [Decimal(f"{value:.{self.digits}g}").normalize().as_tuple() for value in column]
        mantissas = [int("".join(map(str, part.digits))) * (-1 if part.sign else 1) for part in parts]
        _put_column(out, mantissas, 10**self.digits)
        places = [int(part.exponent) - _EXPONENTS.start for part in parts]
        _put_column(out, places, len(_EXPONENTS))

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`."""
        mantissas = _take_column(source, count, 10**self.digits)
        exponents = _take_column(source, count, len(_EXPONENTS))
        return [float(f"{m}e{e + _EXPONENTS.start}") for m, e in zip(mantissas, exponents, strict=True)]


@dataclass(frozen=True)
class Time:
    """Seconds since 1970 in steps, counted from the message's own time."""

    step: int

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        whole = [divmod(value, self.step) for value in column]
        if any(rest for _, rest in whole):
            raise MessageRefused(f"a time is not in steps of {self.step} s")
        _put_signed(out, [place - origin.at_utc // self.step for place, _ in whole], LAST_UTC + 1)

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`."""
        places = _take_signed(source, count, LAST_UTC + 1)
        return [(place + origin.at_utc // self.step) * self.step for place in places]


@dataclass(frozen=True)
class UlidForm:
    """Ids, counted from the message's own: a node numbers its ids in one run, so they lie close."""

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        _put_signed(out, [ulid_number(value) - ulid_number(origin.id) for value in column], _ULIDS)

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`."""
        return [ulid_text(n + ulid_number(origin.id)) for n in _take_signed(source, count, _ULIDS)]


@dataclass(frozen=True)
class Word:
    """Slugs; a word of the public vocabulary by its number, others spelled, each once a column."""

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        distinct = _put_places(out, column)
        for word in distinct:
            known = PUBLIC_WORDS.index(word) + 1 if word in PUBLIC_WORDS else 0
            out.put(known, len(PUBLIC_WORDS) + 1)
            if not known:
                out.put(len(word) - 1, _LONGEST_SLUG)
                for letter in word:
                    out.put(_LETTERS.index(letter), len(_LETTERS))

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`."""
        places = _take_places(source, count)
        words = [self._word(source) for _ in range(max(places, default=-1) + 1)]
        return [words[place] for place in places]

    @staticmethod
    def _word(source: DigitReader) -> str:
        known = source.take(len(PUBLIC_WORDS) + 1)
        if known:
            return PUBLIC_WORDS[known - 1]
        length = source.take(_LONGEST_SLUG) + 1
        return "".join(_LETTERS[source.take(len(_LETTERS))] for _ in range(length))


@dataclass(frozen=True)
class Hex:
    """sha256 digests, each once a column."""

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        for digest in _put_places(out, column):
            if len(digest) != 64:
                raise MessageRefused(f"a digest has 64 digits, not {len(digest)}")
            out.put(int(digest, 16), 1 << 256)

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`."""
        places = _take_places(source, count)
        digests = [f"{source.take(1 << 256):064x}" for _ in range(max(places, default=-1) + 1)]
        return [digests[place] for place in places]


@dataclass(frozen=True)
class Maybe:
    """Values that may be absent."""

    form: Form

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        _put_column(out, [value is not None for value in column], 2)
        self.form.write(out, [value for value in column if value is not None], origin)

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`."""
        present = _take_column(source, count, 2)
        values = iter(self.form.read(source, sum(present), origin))
        return [next(values) if there else None for there in present]


@dataclass(frozen=True)
class Series:
    """Lists of bounded length; all lists of the column are written as one."""

    form: Form
    least: int
    most: int

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        Whole(self.least, self.most).write(out, [len(values) for values in column], origin)
        self.form.write(out, [value for values in column for value in values], origin)

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`."""
        lengths = Whole(self.least, self.most).read(source, count, origin)
        values = iter(self.form.read(source, sum(lengths), origin))
        return [tuple(next(values) for _ in range(length)) for length in lengths]


@dataclass(frozen=True)
class Record:
    """A payload, or a part of one: its fields in the order of the schema, each a column."""

    model: type[Report]
    fields: tuple[tuple[str, Form], ...]

    def write(self, out: DigitWriter, column: Sequence[Any], origin: Origin) -> None:
        """See `Form`."""
        for name, form in self.fields:
            form.write(out, [getattr(value, name) for value in column], origin)

    def read(self, source: DigitReader, count: int, origin: Origin) -> list[Any]:
        """See `Form`; every value is validated as it is built."""
        columns = {name: form.read(source, count, origin) for name, form in self.fields}
        return [
            self.model.model_validate({name: column[place] for name, column in columns.items()})
            for place in range(count)
        ]


def ulid_number(ulid: str) -> int:
    """A ULID as a number of 128 bits. Raises `ValueError` for another letter."""
    number = 0
    for letter in ulid:
        number = number * 32 + _ULID_LETTERS.index(letter)
    return number


def ulid_text(number: int) -> str:
    """A number of 128 bits as a ULID. Raises `MessageRefused` outside its range."""
    if not 0 <= number < _ULIDS:
        raise MessageRefused("an id lies outside 128 bits")
    return "".join(_ULID_LETTERS[number >> 5 * place & 31] for place in reversed(range(26)))


def _put_column(out: DigitWriter, places: Sequence[int], size: int) -> None:
    """Numbers below `size`: the smallest, then how far each lies above it."""
    if places:
        least = min(places)
        out.put_whole(least, size)
        _put_above(out, [place - least for place in places], size - least)


def _take_column(source: DigitReader, count: int, size: int) -> list[int]:
    if not count:
        return []
    least = source.take_whole(size)
    return [least + above for above in _take_above(source, count, size - least)]


def _put_signed(out: DigitWriter, places: Sequence[int], size: int) -> None:
    """The same for numbers between -size and size."""
    if places:
        least = min(places)
        out.put(least < 0, 2)
        out.put_whole(abs(least), size)
        _put_above(out, [place - least for place in places], 2 * size)


def _take_signed(source: DigitReader, count: int, size: int) -> list[int]:
    if not count:
        return []
    negative, least = source.take(2), source.take_whole(size)
    return [(-least if negative else least) + above for above in _take_above(source, count, 2 * size)]


def _put_above(out: DigitWriter, places: Sequence[int], size: int) -> None:
    """Numbers of which the smallest is 0; a single one needs no word."""
    if len(places) > 1:
        most = max(places)
        out.put_whole(most, size)
        for place in places:
            out.put(place, most + 1)


def _take_above(source: DigitReader, count: int, size: int) -> list[int]:
    if count == 1:
        return [0]
    most = source.take_whole(size)
    return [source.take(most + 1) for _ in range(count)]


def _put_places(out: DigitWriter, column: Sequence[str]) -> list[str]:
    """Which of the distinct values each is; these come back, in order of first appearance."""
    distinct = list(dict.fromkeys(column))
    _put_column(out, [distinct.index(value) for value in column], max(1, len(column)))
    return distinct


def _take_places(source: DigitReader, count: int) -> list[int]:
    return _take_column(source, count, max(1, count))
