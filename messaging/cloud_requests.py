"""What a request to a cloud's REST API and its answer hold, for every client of it. Pure; no connection.

The command line's client waits and that of the pages is asynchronous; what both send and read is made here.
"""

import json
from typing import Any, TypeVar

from pydantic import BaseModel

from messaging.resources import API_PREFIX, Page

R = TypeVar("R", bound=BaseModel)


def whole_path(path: str) -> str:
    """The path of a request: below `/api/v1` unless it begins with a slash."""
    return path if path.startswith("/") else f"{API_PREFIX}/{path}"


def given(query: dict[str, Any]) -> dict[str, Any]:
    """The query without what is None."""
    return {name: value for name, value in query.items() if value is not None}


def content_of(body: BaseModel | None) -> str | None:
    """A body as JSON with every field that was set, be it to its default or to None; None without a body.

    What was not set is left to the cloud, whose default may be another one.
    """
    return None if body is None else body.model_dump_json(exclude_unset=True)


def page_of(item: type[R]) -> type[Page[R]]:
    """The type of a page of a list."""
    return Page[item]  # type: ignore[valid-type]  # made at run time


def refusal_of(content: bytes) -> str | None:
    """The sentence of a refusal (RFC 9457); None for an answer that is none of ours."""
    try:
        detail = json.loads(content)["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return str(detail)
