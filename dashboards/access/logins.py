"""Logins at the cloud on behalf of browsers: each gives a session of the cloud, or a sentence why not."""

import getpass
import re
from http.client import NO_CONTENT, UNAUTHORIZED
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from dashboards.access.cloud_transport import CloudTransport
from dashboards.errors import CloudLost, CloudRefused, LoginRefused
from messaging.access_resources import (
    LoginRequest,
    PasswordChange,
    SessionResource,
    UserResource,
    VerifiedLogin,
)
from messaging.fields import SLUG_PATTERN, SLUG_WORDS
from messaging.resources import API_PREFIX, CLIENT_HEADER, OPERATOR_HEADER, OPERATOR_NAME, TOKEN_HEADER
from messaging.tls.connections import tls_fault

TIMEOUT_S = 10.0
NOBODY = "operator"


class CloudLogins:
    """What the login page asks of the cloud. Every call raises `CloudLost` or `LoginRefused`."""

    def __init__(self, transport: CloudTransport) -> None:
        self._transport = transport
        self._http = httpx.AsyncClient(base_url="http://cloud", transport=transport, timeout=TIMEOUT_S)

    async def log_in(self, name: str, password: str, address: str) -> SessionResource:
        """A session by name and password. `address`: the browser's; the cloud counts its failures."""
        folder = (await self._transport.address()).token
        try:
            body = LoginRequest(name=name, password=password)
        except ValidationError:
            raise LoginRefused("name or password is wrong") from None
        answer = await self._send("POST", "sessions", folder, body, {CLIENT_HEADER: address})
        return _session_of(answer)

    async def log_in_verified(self, name: str, login: VerifiedLogin) -> SessionResource:
        """A session of somebody whose name was verified elsewhere."""
        if not re.match(SLUG_PATTERN, name):
            raise LoginRefused(f"{name[:80]!r} is no name of a user; a name has {SLUG_WORDS}", 403)
        folder = (await self._transport.address()).token
        answer = await self._send("POST", f"users/{name}/sessions", folder, login)
        return _session_of(answer)

    async def as_operator(self, operator: str) -> tuple[UserResource, str]:
        """The user that the data folder's token stands for, and that token. `operator`: the name to state."""
        folder = (await self._transport.address()).token
        answer = await self._send("GET", "me", folder, None, {OPERATOR_HEADER: operator})
        try:
            return UserResource.model_validate_json(answer.content), folder
        except ValidationError:
            raise CloudRefused(_UNREADABLE) from None

    async def log_out(self, bearer: str) -> None:
        """End the cloud's session of this token; the data folder's own stays valid."""
        await self._send("DELETE", "me/session", bearer)

    async def change_password(self, bearer: str, present: str, new: str) -> None:
        """Change one's own password, with which all one's sessions end."""
        await self._send("GET", "me", bearer)
        try:
            body = PasswordChange(present=present, new=new)
        except ValidationError as error:
            wrong = error.errors()[0]
            raise LoginRefused(f"the new password: {str(wrong['msg']).lower()}", 422) from None
        answer = await self._send("POST", "me/password", bearer, body)
        if answer.status_code != NO_CONTENT:
            raise CloudRefused(_UNREADABLE)

    async def _send(
        self,
        method: str,
        path: str,
        bearer: str,
        body: BaseModel | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        given: dict[str, Any] = {"json": body.model_dump(mode="json", exclude_none=True)} if body else {}
        sent = {TOKEN_HEADER: f"Bearer {bearer}", **(headers or {})}
        try:
            answer = await self._http.request(method, f"{API_PREFIX}/{path}", headers=sent, **given)
        except httpx.HTTPError as error:
            raise CloudLost(
                f"the cloud does not answer ({tls_fault(error) or type(error).__name__}); "
                "is `blindspot cloud run` running?"
            ) from error
        if answer.status_code >= UNAUTHORIZED or answer.is_error:
            raise LoginRefused(_detail_of(answer), answer.status_code)
        return answer


_UNREADABLE = "the cloud answered with fields this page cannot read; install the same version of both"


def machine_operator() -> str:
    """The name of whoever runs this program, as far as the cloud takes it as a stated name."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # no such user in this container
        return NOBODY
    return name if re.match(OPERATOR_NAME, name) else NOBODY


def _session_of(answer: httpx.Response) -> SessionResource:
    try:
        return SessionResource.model_validate_json(answer.content)
    except ValidationError:
        raise CloudRefused(_UNREADABLE) from None


def _detail_of(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the cloud answered {answer.status_code} and no reason"
