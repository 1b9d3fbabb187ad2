"""A reader of messages written from docs/wire-format.md alone: it imports nothing of the program.

It is given the schema text of the message's kind, as on the page, and returns plain values, report by report.
"""

import re
from collections.abc import Callable
from typing import Any

ULID_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
Column = list[Any]


class SchemaReader:
    """Reads the digits of one message by its schema."""

    def __init__(self, schema: str, data: bytes) -> None:
        assert data[0] == 3
        self._number = int.from_bytes(data[6:], "little")
        lines = [line.split(": ", 1) for line in schema.splitlines()]
        shared = dict(lines[:3])
        _, self._letters, public = re.split(" letters of |, or one of ", shared["slug"])
        self._public = public.split()
        self._max_slug = int(re.findall(r"\d+", shared["slug"])[1])
        self._least_exponent, most_exponent = map(
            int, shared["decimal"].removeprefix("exponent ").split("..")
        )
        self._exponents = most_exponent - self._least_exponent + 1
        self._times = int(shared["time"].split("..")[1]) + 1
        self._max_reports = int(lines[3][1].split("..")[1].split()[0])
        self._fields = lines[4:]

    def message(self) -> dict[str, Any]:
        """Id, time, site and reports; nested groups are dictionaries under the name of their field."""
        kind, self._id = self.take(32), self.take(2**128)
        self._at_utc = self.take(self._times)
        site = self.slug()
        count = self.take(self._max_reports) + 1
        reports = self.records(self._fields, count)
        assert self._number == 0
        return {"kind": kind, "id": ulid(self._id), "time": self._at_utc, "site": site, "reports": reports}

    def take(self, radix: int) -> int:
        """One digit."""
        self._number, digit = divmod(self._number, radix)
        return digit

    def varint(self, size: int) -> int:
        """A value below `size`, its bit length first where `size` is above 256."""
        if size <= 256:
            return self.take(size)
        length = self.take((size - 1).bit_length() + 1)
        return length if length < 2 else 2 ** (length - 1) + self.take(2 ** (length - 1))

    def differences(self, count: int, size: int) -> list[int]:
        """The differences to the smallest value of a column."""
        if count == 1:
            return [0]
        radix = self.varint(size) + 1
        return [self.take(radix) for _ in range(count)]

    def integers(self, count: int, size: int) -> list[int]:
        """A column of values below `size`."""
        if not count:
            return []
        least = self.varint(size)
        return [least + difference for difference in self.differences(count, size - least)]

    def signed(self, count: int, size: int) -> list[int]:
        """A column of values between -size and size."""
        if not count:
            return []
        negative, magnitude = self.take(2), self.varint(size)
        least = -magnitude if negative else magnitude
        return [least + difference for difference in self.differences(count, 2 * size)]

    def slug(self) -> str:
        """One slug."""
        index = self.take(len(self._public) + 1)
        if index:
            return self._public[index - 1]
        return "".join(
            self._letters[self.take(len(self._letters))] for _ in range(self.take(self._max_slug) + 1)
        )

    def distinct(self, count: int, read: Callable[[], str]) -> list[str]:
        """A column in which every distinct text is written once."""
        indices = self.integers(count, max(1, count))
        texts = [read() for _ in range(max(indices, default=-1) + 1)]
        return [texts[index] for index in indices]

    def records(self, fields: list[list[str]], count: int) -> list[dict[str, Any]]:
        """Columns of fields, one after the other, as one dictionary per record."""
        columns: dict[str, Column] = {}
        while fields:
            (name, kind), *fields = fields
            group = re.search(r"group of \d+ fields$", kind)
            inner = [[n.removeprefix(f"{name}."), k] for n, k in fields if n.startswith(f"{name}.")]
            if group:
                fields = fields[len(inner) :]
            columns[name] = self.column(kind, inner, count)
        return [{name: column[row] for name, column in columns.items()} for row in range(count)]

    def column(self, kind: str, inner: list[list[str]], count: int) -> Column:
        """One column by its line in the schema."""
        first, _, rest = kind.partition(" ")
        if first == "optional":
            present = self.integers(count, 2)
            values = iter(self.column(rest, inner, sum(present)))
            return [next(values) if there else None for there in present]
        if first == "list":
            bounds, rest = re.fullmatch(r"of (\S+) (.*)", rest).groups()  # type: ignore[union-attr]
            least, most = map(int, bounds.split(".."))
            lengths = [least + n for n in self.integers(count, most - least + 1)]
            values = iter(self.column(rest, inner, sum(lengths)))
            return [[next(values) for _ in range(length)] for length in lengths]
        return self.records(inner, count) if first == "group" else self.plain(first, rest, count)

    def plain(self, first: str, rest: str, count: int) -> Column:
        """A column of single values."""
        if first == "one":
            names = rest.removeprefix("of ").split()
            return [names[index] for index in self.integers(count, len(names))]
        if first == "slug":
            return self.distinct(count, self.slug)
        if first == "digest":
            return self.distinct(count, lambda: f"{self.take(2**256):064x}")
        if first == "ulid":
            return [ulid(self._id + n) for n in self.signed(count, 2**128)]
        if first == "time":
            step = int(rest.split()[1])
            return [(self._at_utc // step + n) * step for n in self.signed(count, self._times)]
        if first == "decimal":
            mantissas = self.integers(count, 10 ** int(rest.split()[1]))
            exponents = self.integers(count, self._exponents)
            return [
                float(f"{m}e{e + self._least_exponent}") for m, e in zip(mantissas, exponents, strict=True)
            ]
        bounds, step_text = rest.split(" step ")
        least, most, grid = (float(text) for text in (*bounds.split(".."), step_text))
        steps = self.integers(count, round((most - least) / grid) + 1)
        return [round(least + n * grid, 6) for n in steps]


def ulid(number: int) -> str:
    """128 bits as 26 letters."""
    return "".join(ULID_LETTERS[number >> 5 * place & 31] for place in reversed(range(26)))
