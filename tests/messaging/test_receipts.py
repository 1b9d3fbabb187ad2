"""What a gate states beside a report: read from text exactly as written, anything else is refused."""

import pytest

from messaging.errors import MessageRefused
from messaging.receipts import LanePlace, LedgerPosition, ReportHeader, base64_of, bytes_of, report_header

HASH = "ab" * 32
DIGEST = base64_of(bytes.fromhex(HASH))
HEADER = ReportHeader(LedgerPosition(7, HASH), LanePlace("0123456789ab", 12, 9, 4))


def test_a_header_is_read_from_its_text() -> None:
    assert report_header(HEADER.text) == HEADER
    assert HEADER.text == f"7 {DIGEST} 0123456789ab 12 9 4"


@pytest.mark.parametrize("number", ["", "-1", "1.5", "٧", "seven", "1" * 16])
def test_a_header_without_valid_numbers_is_refused(number: str) -> None:
    for text in (f"{number} {DIGEST} s 1 0 0", f"1 {DIGEST} s {number} 0 0"):
        with pytest.raises(MessageRefused, match="names no ledger entry and place"):
            report_header(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        f"1 {DIGEST} s 1 0",
        f"1 {DIGEST} s 1 0 0 0",
        f"1 {DIGEST} s 1 1 0",
        f"1 {DIGEST} s 3 1 2",
        f"1 {DIGEST}  1 0 0",
        f"1 {DIGEST} {'s' * 41} 1 0 0",
        f"1 {DIGEST[:-1]} s 1 0 0",
        "1 !!! s 1 0 0",
    ],
)
def test_a_header_that_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(MessageRefused, match="names no ledger entry and place"):
        report_header(text)


def test_text_that_is_no_base64_has_no_bytes() -> None:
    assert bytes_of("*") == b""
    assert bytes_of(base64_of(b"abcd")) == b"abcd"
