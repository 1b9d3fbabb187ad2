"""Ledger positions in headers and in receipts: what is not one is None or refused."""

import pytest

from messaging.errors import MessageRefused
from messaging.receipts import LEDGER_HASH, LEDGER_NUMBER, LedgerPosition, position_in_headers, receipt_of

POSITION = LedgerPosition(7, "ab" * 32)


def test_a_position_is_read_from_its_headers_and_from_its_receipt() -> None:
    assert position_in_headers(POSITION.headers()) == POSITION
    assert receipt_of(POSITION.to_bytes()) == POSITION


@pytest.mark.parametrize("number", ["", "-1", "1.5", "٧", "seven", "1" * 16])
def test_headers_without_a_valid_number_have_no_position(number: str) -> None:
    assert position_in_headers({LEDGER_NUMBER: number, LEDGER_HASH: "ab"}) is None


def test_a_hash_in_headers_is_cut_to_the_length_of_a_digest() -> None:
    position = position_in_headers({LEDGER_NUMBER: "1", LEDGER_HASH: "a" * 1000})
    assert position == LedgerPosition(1, "a" * 64)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[]", b"{}", b'{"n": "x", "hash": "a"}', b'{"n": null, "hash": 1}']
)
def test_bytes_that_are_no_receipt_are_refused(data: bytes) -> None:
    with pytest.raises(MessageRefused, match="not a receipt"):
        receipt_of(data)
