"""Errors as answers: RFC 9457 problem details whose `detail` is one sentence."""

import math

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from cloud.api.access.permissions import READING
from cloud.errors import (
    BadRequest,
    CampaignRefused,
    NotAuthorised,
    NotKnown,
    NotNow,
    TooManyAttempts,
    WeightsRefused,
)
from messaging.errors import BlindspotError, ConfigurationError
from messaging.fields import fault_words
from messaging.resources import Problem

MAX_DETAIL = 1000
_STATUS: tuple[tuple[type[BlindspotError], int, str], ...] = (
    (NotAuthorised, 401, "not authorised"),
    (NotKnown, 404, "not known"),
    (NotNow, 409, "not now"),
    (CampaignRefused, 409, "campaign refused"),
    (BadRequest, 400, "bad request"),
    (WeightsRefused, 422, "not valid"),
    (ConfigurationError, 422, "not valid"),
)


def problem(status: int, title: str, detail: str) -> JSONResponse:
    """An RFC 9457 answer; what a request put into `detail` cannot break its line."""
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in detail)
    body = Problem(title=title, status=status, detail=line[:MAX_DETAIL]).model_dump()
    return JSONResponse(body, status, media_type="application/problem+json")


def add_problems(app: FastAPI) -> None:
    """Answer every error of a request with problem details."""

    @app.exception_handler(TooManyAttempts)
    def too_many(_request: Request, error: TooManyAttempts) -> JSONResponse:
        answer = problem(429, "too many attempts", str(error))
        answer.headers["Retry-After"] = str(math.ceil(error.wait_s))
        return answer

    @app.exception_handler(BlindspotError)
    def ours(_request: Request, error: BlindspotError) -> JSONResponse:
        for kind, status, title in _STATUS:
            if isinstance(error, kind):
                return problem(status, title, str(error))
        return problem(503, "not possible", str(error))

    @app.exception_handler(RequestValidationError)
    def not_valid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "path")
        fault = f"{where}: {fault_words(first)}"
        if first["loc"][0] == "path" and request.method in READING:  # a change may name what is to be made
            return problem(404, "not known", f"nothing has this address: {fault}")
        return problem(422, "not valid", fault)

    @app.exception_handler(HTTPException)
    def http_error(request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(error.status_code, "refused", _sentence(request, error))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)  # it is raised again afterwards, and logged by the server
    def failed(_request: Request, _error: Exception) -> JSONResponse:
        return problem(500, "failed", "the cloud failed at this request; its log shows where")


def _sentence(request: Request, error: HTTPException) -> str:
    match error.status_code:
        case 404:
            return f"there is nothing at {request.url.path[:80]!r}; /openapi.json lists all addresses"
        case 405:
            return f"{request.method} is not for {request.url.path[:80]!r}; /openapi.json lists what is"
        case _:
            return str(error.detail)
