"""Mixed-radix coding: a sequence of small numbers, each with a radix of its own, as one integer.

A digit of radix 5 costs log2(5) bits and nothing else, so that every bit of the integer has a meaning that
the schema names. Digits are read in the order in which they were written; the reader must know their
radices. The module never interprets a digit.
"""

from messaging.errors import MessageRefused

_LARGEST_PLAIN_RADIX = 256


class MixedRadixWriter:
    """Collects digits. Raises `MessageRefused` for one outside its radix."""

    def __init__(self) -> None:
        self._digits: list[tuple[int, int]] = []

    def put(self, digit: int, radix: int) -> None:
        """Add one digit, 0 <= digit < radix."""
        if not 0 <= digit < radix:
            raise MessageRefused(f"{digit} is no digit of radix {radix}")
        self._digits.append((digit, radix))

    def put_varint(self, value: int, size: int) -> None:
        """Add 0 <= value < size. Above 256 the bit length is written first: small values cost few bits."""
        if not 0 <= value < size:
            raise MessageRefused(f"{str(value)[:20]} is not below {size}")
        if size <= _LARGEST_PLAIN_RADIX:
            self.put(value, size)
            return
        length = value.bit_length()
        self.put(length, (size - 1).bit_length() + 1)
        if length > 1:
            self.put(value - (1 << (length - 1)), 1 << (length - 1))

    def to_bytes(self) -> bytes:
        """The integer, little-endian, in the fewest bytes; the first digit is the least significant."""
        number = 0
        for digit, radix in reversed(self._digits):
            number = number * radix + digit
        return number.to_bytes((number.bit_length() + 7) // 8, "little")


class MixedRadixReader:
    """Returns the digits of `MixedRadixWriter`. Raises `MessageRefused` for what no writer writes."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "little")

    def take(self, radix: int) -> int:
        """The next digit."""
        self._number, digit = divmod(self._number, radix)
        return digit

    def take_varint(self, size: int) -> int:
        """The next value written by `MixedRadixWriter.put_varint`."""
        if size <= _LARGEST_PLAIN_RADIX:
            return self.take(size)
        length = self.take((size - 1).bit_length() + 1)
        value = length if length < 2 else (1 << (length - 1)) + self.take(1 << (length - 1))
        if value >= size:
            raise MessageRefused(f"a number is not below {size}")
        return value

    def end(self) -> None:
        """Raises `MessageRefused` when digits are left."""
        if self._number:
            raise MessageRefused(f"{self._number.bit_length()} bits are left after the last field")
