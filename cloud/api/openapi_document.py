"""The OpenAPI document: what FastAPI derives from the routes, with examples and every error response.

Errors are the same for all routes of a kind, because the same guards and handlers make them; so they are
added here by rule and not written at each route.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cloud.api.access.guard import LOGIN, WITHOUT_TOKEN
from cloud.api.access.permissions import ANYONE, READING, permission_of
from cloud.api.request_examples import EXAMPLES
from messaging.resources import API_PREFIX, Problem

PROBLEM_JSON = "application/problem+json"
ERRORS = {
    400: ("bad request", "this cursor belongs to another list; begin without a cursor"),
    401: ("not authorised", "send a valid token as bearer token"),
    403: ("not authorised", "ana is viewer; this needs the role trainer"),
    404: ("not known", "there is no site 'harbour'"),
    409: ("not now", "the campaign has ended; only a running one is cancelled"),
    413: ("too long", "the body has more than the 1048576 bytes that this address takes; send less"),
    422: ("not valid", "query.limit: must be at most 500"),
    429: ("too many requests", "this token sends more than 200 requests a second; wait a second"),
    503: ("not possible", "the database does not answer; try again"),
}
"""Title and an example of `detail` by status."""
_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")


def document_errors_and_examples(app: FastAPI) -> None:
    """Complete the document of an application; it is made when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            plain = get_openapi(title=app.title, version=app.version, routes=app.routes)
            app.openapi_schema = _completed(plain)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FASTAPI_ERRORS:
        schemas.pop(name, None)
    schemas[Problem.__name__] = Problem.model_json_schema()
    for model, example in EXAMPLES.items():
        if model.__name__ in schemas:
            schemas[model.__name__]["example"] = dict(example)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(method.upper(), path, operation)
    return document


def _complete(method: str, path: str, operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    for status in _statuses(method, path, operation):
        title, detail = ERRORS[status]
        problem = Problem(title=title, status=status, detail=detail).model_dump()
        schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
        responses[str(status)] = {
            "description": title,
            "content": {PROBLEM_JSON: {"schema": schema, "example": problem}},
        }


def _statuses(method: str, path: str, operation: dict[str, Any]) -> Iterator[int]:
    """The errors with which a route may answer."""
    yield 400
    if path not in WITHOUT_TOKEN:
        yield 401
    if path.startswith(API_PREFIX) and path != LOGIN:
        if permission_of(method, path) != ANYONE:
            yield 403
        yield 503
    if path.startswith(API_PREFIX):
        yield 429
    if "{" in path:
        yield 404
    if method not in READING:
        yield 409
        yield 413
    if operation.get("parameters") or "requestBody" in operation:
        yield 422
