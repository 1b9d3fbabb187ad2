"""Cursors of the API's lists: opaque to clients, a JSON value inside."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from cloud.errors import BadRequest
from messaging.resources import Page

Item = TypeVar("Item")
MAX_LIMIT = 500


def encode_cursor(value: Any) -> str:
    """A cursor that stands for a place in a list."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> Any:
    """The place, or None for the beginning. Raises `BadRequest`."""
    if cursor is None:
        return None
    try:
        return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise BadRequest(f"cursor {cursor[:40]!r} is not one of ours; begin without a cursor") from None


def integer_cursor(cursor: str | None) -> int:
    """A cursor that counts; 0 for the beginning. Raises `BadRequest`."""
    place = decode_cursor(cursor)
    if place is None:
        return 0
    if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < 2**53:
        raise BadRequest("this cursor belongs to another list; begin without a cursor")
    return place


def text_cursor(cursor: str | None) -> str | None:
    """A cursor that is the id of the last item seen. Raises `BadRequest`."""
    place = decode_cursor(cursor)
    if place is not None and not isinstance(place, str):
        raise BadRequest("this cursor belongs to another list; begin without a cursor")
    return place


def page_of(items: Sequence[Item], cursor: str | None, limit: int) -> Page[Item]:
    """A page of a list that is at hand as a whole."""
    start = integer_cursor(cursor)
    end = start + limit
    return Page(items=tuple(items[start:end]), next=encode_cursor(end) if end < len(items) else None)
