"""Places in headers and receipts: what is not one is None or refused."""

import json

import pytest

from messaging.errors import MessageRefused
from messaging.receipts import (
    LEDGER_HASH,
    LEDGER_NUMBER,
    PLACE,
    LanePlace,
    LaneReceipt,
    LedgerPosition,
    Receipt,
    place_in_headers,
    position_in_headers,
    receipt_of,
)

POSITION = LedgerPosition(7, "ab" * 32)
SITE_PLACE = LanePlace("0123456789ab", 12, 9, 4)
RECEIPT = Receipt("db", "hub", {"hazards": LaneReceipt("0123456789ab", 12, 7, "ab" * 32)})


def test_a_position_and_a_place_are_read_from_their_headers() -> None:
    assert position_in_headers(POSITION.headers()) == POSITION
    assert place_in_headers(SITE_PLACE.headers()) == SITE_PLACE


def test_a_receipt_is_read_from_its_bytes() -> None:
    assert receipt_of(RECEIPT.to_bytes()) == RECEIPT
    assert receipt_of(Receipt("db", "hub").to_bytes()) == Receipt("db", "hub")


@pytest.mark.parametrize("number", ["", "-1", "1.5", "٧", "seven", "1" * 16])
def test_headers_without_a_valid_number_have_no_position(number: str) -> None:
    assert position_in_headers({LEDGER_NUMBER: number, LEDGER_HASH: "ab"}) is None
    assert place_in_headers({PLACE: f"s {number} 0 0"}) is None


@pytest.mark.parametrize(
    "text",
    ["", "s", "s 1", "s 1 0", "s 1 0 0 0", "s 1 1 0", "s 3 1 2", " 1 0 0", "s" * 41 + " 1 0 0", "s  1 0 0"],
)
def test_a_header_that_names_no_place_has_none(text: str) -> None:
    assert place_in_headers({PLACE: text}) is None


def test_a_hash_in_headers_is_cut_to_the_length_of_a_digest() -> None:
    position = position_in_headers({LEDGER_NUMBER: "1", LEDGER_HASH: "a" * 1000})
    assert position == LedgerPosition(1, "a" * 64)


def _receipt(**changes: object) -> bytes:
    lane = {"stream": "s", "through": 1, "n": 1, "hash": "ab", **changes}
    return json.dumps({"database": "d", "hub": "h", "lanes": {"hazards": lane}}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"n": 7, "hash": "a"}',
        b'{"database": "d", "hub": "h", "lanes": []}',
        _receipt(through=-1),
        _receipt(through="1"),
        _receipt(through=True),
        _receipt(n=1.5),
        _receipt(n=2**53),
    ],
)
def test_bytes_that_are_no_receipt_are_refused(data: bytes) -> None:
    with pytest.raises(MessageRefused, match="not a receipt"):
        receipt_of(data)
