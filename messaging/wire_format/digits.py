"""Digits <-> bytes: a sequence of small numbers, each with a radix of its own, as one whole number.

A digit of radix 5 costs log2(5) bits and nothing else, so that every bit of the number means something and
none is left for what the schema does not name. Digits are read back in the order in which they were put;
the reader must know their radices. Nothing here knows what a digit means.
"""

from messaging.errors import MessageRefused

_PLAIN_RADIX = 256


class DigitWriter:
    """Collects digits. Raises `MessageRefused` for one outside its radix."""

    def __init__(self) -> None:
        self._digits: list[tuple[int, int]] = []

    def put(self, digit: int, radix: int) -> None:
        """Add one digit, 0 <= digit < radix."""
        if not 0 <= digit < radix:
            raise MessageRefused(f"{digit} is no digit of radix {radix}")
        self._digits.append((digit, radix))

    def put_whole(self, value: int, size: int) -> None:
        """Add 0 <= value < size; in a wide range small values cost few bits (their length goes first)."""
        if not 0 <= value < size:
            raise MessageRefused(f"{str(value)[:20]} is not below {size}")
        if size <= _PLAIN_RADIX:
            self.put(value, size)
            return
        length = value.bit_length()
        self.put(length, (size - 1).bit_length() + 1)
        if length > 1:
            self.put(value - (1 << (length - 1)), 1 << (length - 1))

    def to_bytes(self) -> bytes:
        """All digits, as few bytes as hold them."""
        number = 0
        for digit, radix in reversed(self._digits):
            number = number * radix + digit
        return number.to_bytes((number.bit_length() + 7) // 8, "little")


class DigitReader:
    """Gives the digits back. Raises `MessageRefused` where no writer could have put them."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "little")

    def take(self, radix: int) -> int:
        """The next digit."""
        self._number, digit = divmod(self._number, radix)
        return digit

    def take_whole(self, size: int) -> int:
        """What `DigitWriter.put_whole` put."""
        if size <= _PLAIN_RADIX:
            return self.take(size)
        length = self.take((size - 1).bit_length() + 1)
        value = length if length < 2 else (1 << (length - 1)) + self.take(1 << (length - 1))
        if value >= size:
            raise MessageRefused(f"a number is not below {size}")
        return value

    def end(self) -> None:
        """Raises `MessageRefused` when something is left."""
        if self._number:
            raise MessageRefused(f"{self._number.bit_length()} bits are left after the last field")
