"""Pages of the API's lists and their cursors: opaque to clients, a JSON value inside."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Path, Query

from cloud.errors import BadRequest
from messaging.resources import Page

Item = TypeVar("Item")
Shown = TypeVar("Shown")
First = TypeVar("First", int, str)
Second = TypeVar("Second", int, str)
MAX_LIMIT = 500
NUL = b"\\u0000"  # in JSON; PostgreSQL has no text with it

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
RowNumber = Annotated[int, Path(ge=1, lt=2**53)]
Cursor = Annotated[str | None, Query(max_length=400)]


def encode_cursor(value: Any) -> str:
    """The cursor of a place in a list; the place is any JSON value."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> Any:
    """The place of a cursor, or None for the beginning. Raises `BadRequest`."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        place = json.loads(text)
        if encode_cursor(place) == cursor and NUL not in text:
            return place
    except (ValueError, binascii.Error, RecursionError):
        pass
    raise BadRequest(f"cursor {cursor[:40]!r} is not one of ours; begin without a cursor")


def integer_cursor(cursor: str | None) -> int:
    """The place of a cursor that is a number; 0 for the beginning. Raises `BadRequest`."""
    place = decode_cursor(cursor)
    if place is None:
        return 0
    if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < 2**53:
        raise BadRequest("this cursor belongs to another list; begin without a cursor")
    return place


def text_cursor(cursor: str | None) -> str | None:
    """The place of a cursor that is the id of the last item of a page. Raises `BadRequest`."""
    place = decode_cursor(cursor)
    if place is not None and not isinstance(place, str):
        raise BadRequest("this cursor belongs to another list; begin without a cursor")
    return place


def pair_cursor(cursor: str | None, first: type[First], second: type[Second]) -> tuple[First, Second] | None:
    """The place of a cursor that is a pair of texts or whole numbers; None for the beginning.

    Raises `BadRequest`.
    """
    place = decode_cursor(cursor)
    if place is None:
        return None
    match place:
        case [one, other] if _is(one, first) and _is(other, second):
            return one, other
    raise BadRequest("this cursor belongs to another list; begin without a cursor")


def _is(value: object, kind: type) -> bool:
    return type(value) is kind and (not isinstance(value, int) or 0 <= value < 2**53)


def page_of(items: Sequence[Item], cursor: str | None, limit: int) -> Page[Item]:
    """A page of a list that is in memory as a whole."""
    start = integer_cursor(cursor)
    end = start + limit
    return Page(items=tuple(items[start:end]), next=encode_cursor(end) if end < len(items) else None)


def page_of_query(
    found: Sequence[Item], limit: int, *, place: Callable[[Item], Any], show: Callable[[Item], Shown]
) -> Page[Shown]:
    """A page of a query that asked for one item more than `limit`.

    Args:
        found: at most `limit` + 1 items; the last one only proves that there is a next page.
        limit: items per page.
        place: what the cursor holds of the last item of the page.
        show: the resource of an item.
    """
    items = found[:limit]
    return Page(
        items=tuple(show(item) for item in items),
        next=encode_cursor(place(items[-1])) if len(found) > limit else None,
    )
