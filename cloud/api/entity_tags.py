"""Entity tags (RFC 9110): an answer that the client has already is 304 without a body."""

import hashlib

from fastapi import Request, Response
from pydantic import BaseModel


def tagged(request: Request, value: BaseModel) -> Response:
    """The value as JSON with its `ETag`, or 304 where `If-None-Match` names it."""
    content = value.model_dump_json().encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)
