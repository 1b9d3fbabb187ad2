"""Pages and cursors of the API's lists: no item is lost or repeated, and a foreign cursor is refused."""

import base64
from typing import Any

import pytest

from cloud.api.paging import decode_cursor, encode_cursor, integer_cursor, page_of, page_of_query, text_cursor
from cloud.errors import BadRequest


@pytest.mark.parametrize("place", [0, 2**52, "01JAZ5Y9T4X3Q6M2K8B7C9D0EF", [1_799_999_940, "é/+="], None])
def test_a_cursor_holds_its_place(place: Any) -> None:
    cursor = encode_cursor(place)
    assert decode_cursor(cursor) == place
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_list_begins_without_a_cursor() -> None:
    assert (decode_cursor(None), integer_cursor(None), text_cursor(None)) == (None, 0, None)


@pytest.mark.parametrize(
    "cursor",
    [
        *("!!", "é", "a", ""),
        *(
            base64.urlsafe_b64encode(text).decode().rstrip("=")
            for text in (b"\xff", b"{", b"NaN", b'"\\ud800"', b'"\\u0000"', b"[" * 200, b" 1", b"1e999")
        ),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadRequest, match="is not one of ours; begin without a cursor"):
        decode_cursor(cursor)


@pytest.mark.parametrize("place", [-1, 2**53, True, 1.5, "7", [7]])
def test_a_place_that_is_no_count_belongs_to_another_list(place: Any) -> None:
    with pytest.raises(BadRequest, match="belongs to another list"):
        integer_cursor(encode_cursor(place))


@pytest.mark.parametrize("place", [7, ["R1"], {"id": "R1"}])
def test_a_place_that_is_no_id_belongs_to_another_list(place: Any) -> None:
    with pytest.raises(BadRequest, match="belongs to another list"):
        text_cursor(encode_cursor(place))


@pytest.mark.parametrize(("number", "limit"), [(0, 3), (2, 3), (3, 3), (4, 3), (7, 3), (6, 1)])
def test_the_pages_of_a_list_in_memory_join_to_the_list(number: int, limit: int) -> None:
    items, cursor = list(range(number)), None
    pages = []
    while True:
        page = page_of(items, cursor, limit)
        pages.append(page.items)
        if (cursor := page.next) is None:
            break
    assert [item for page in pages for item in page] == items
    assert len(pages) == max(1, -(-number // limit))


@pytest.mark.parametrize(("number", "limit"), [(0, 3), (3, 3), (4, 3), (7, 3), (6, 1)])
def test_the_pages_of_a_query_join_to_the_whole_result(number: int, limit: int) -> None:
    rows, after, pages = list(range(1, number + 1)), 0, 0
    shown: list[str] = []
    while True:
        pages += 1
        found = [row for row in rows if row > after][: limit + 1]
        page = page_of_query(found, limit, place=lambda row: row, show=str)
        shown += page.items
        if page.next is None:
            break
        after = integer_cursor(page.next)
    assert shown == [str(row) for row in rows]
    assert pages == max(1, -(-number // limit))
