"""What is checked before a request's body is read: who it is from, and what that may do.

Every change that is requested, also one that is refused for its role, becomes an entry of the audit log; a
dry run is no change. The addresses without a token hold nothing about sites. Whoever has the data folder's
token may state a name.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.access.accounts import Accounts, RefusedToken
from cloud.access.principal import DATA_FOLDER, Principal
from cloud.access.refused_credentials import CredentialRefusal, Interface
from cloud.api.access.audit_trail import MAX_ANSWER_BYTES, AuditTrail
from cloud.api.access.permissions import READING, permission_of, refusal
from cloud.api.problems import problem
from cloud.errors import NotKnown
from cloud.store.report_store import ReportStore
from messaging.access_resources import UserRole
from messaging.resources import API_PREFIX, DRY_RUN_HEADER, OPERATOR_HEADER, OPERATOR_NAME

LOGIN = API_PREFIX + "/sessions"
WITHOUT_TOKEN = frozenset({"/healthz", "/readyz", "/version", "/metrics", "/openapi.json", "/asyncapi.json"})
_NOT_YET_KNOWN = Principal("login", UserRole.VIEWER)


@dataclass(frozen=True)
class _Target:
    """The route of a request, and the values of its path."""

    method: str
    path: str
    params: Mapping[str, str]

    @property
    def action(self) -> str:
        return f"{self.method} {self.path.removeprefix(API_PREFIX)}"

    @property
    def is_audited(self) -> bool:
        return self.method not in READING and self.path != LOGIN


class AccessGuard:
    """An ASGI application around another: 401, 403 or 404 for who may not use a route.

    A route finds the principal in `request.state.principal`. `on_refusal` is called for each token that is
    sent and refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[tuple[str, str]],
        accounts: Accounts,
        sites: ReportStore,
        trail: AuditTrail,
        on_refusal: Callable[[CredentialRefusal], None] = lambda refusal: None,
    ) -> None:
        self._app = app
        self._routes = [(method, path, compile_path(path)[0]) for method, path in routes]
        self._accounts, self._sites, self._trail = accounts, sites, trail
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http" or scope["path"] in WITHOUT_TOKEN:
            await self._app(scope, receive, send)
            return
        headers, address = Headers(scope=scope), scope["client"][0] if scope.get("client") else "unknown"
        target = self._target(scope)
        principal, refused = await asyncio.to_thread(self._examined, scope["path"], headers, target, address)
        if principal is None:
            sentence = "send a valid token as bearer token: of the data folder, an API token, or a session's"
            answer = problem(401, "not authorised", sentence)
            await answer(scope, receive, send)
            return
        scope.setdefault("state", {})["principal"] = principal
        if target is None or not target.is_audited:
            await self._pass_on(scope, receive, send, refused)
            return
        before = await asyncio.to_thread(self._trail.present, target.action, target.params, principal)
        answer_of = _Answer(send)
        try:
            await self._pass_on(scope, receive, answer_of, refused)
        finally:
            if not answer_of.is_dry_run:
                await asyncio.to_thread(
                    self._trail.note,
                    principal,
                    address,
                    target.action,
                    target.params,
                    status=answer_of.status,
                    before=before,
                    answer=bytes(answer_of.body),
                )

    def _examined(
        self, path: str, headers: Headers, target: _Target | None, address: str
    ) -> tuple[Principal | None, tuple[int, str] | None]:
        """Who a request is from, and status and sentence if it is refused. Waits for the database."""
        principal = self._principal(path, headers, address)
        return principal, None if principal is None else self._refused(principal, target)

    def _principal(self, path: str, headers: Headers, address: str) -> Principal | None:
        if path == LOGIN:
            return _NOT_YET_KNOWN
        sent = headers.get("authorization")
        found = self._accounts.examine(sent)
        if isinstance(found, RefusedToken):
            if sent:
                whom = "api" if found.user is None else f"user {found.user}"
                self._on_refusal(CredentialRefusal(Interface.API, found.reason, address, whom))
            return None
        stated = headers.get(OPERATOR_HEADER, "")
        if found is DATA_FOLDER and re.match(OPERATOR_NAME, stated):
            return found.stated_by(stated)
        return found

    def _target(self, scope: Scope) -> _Target | None:
        wanted = "GET" if scope["method"] == "HEAD" else scope["method"]
        for method, path, pattern in self._routes:
            if method == wanted and (found := pattern.match(scope["path"])):
                return _Target(method, path, found.groupdict())
        return None

    def _refused(self, principal: Principal, target: _Target | None) -> tuple[int, str] | None:
        """Status and sentence for who may not use the route."""
        if target is None:
            return None
        sentence = refusal(principal, permission_of(target.method, target.path))
        if sentence is not None:
            return 403, sentence
        site = target.params.get("site")
        if site is not None and principal.limited and not principal.sees(self._group_of(site)):
            return 404, f"there is no site {site[:40]!r}"
        return None

    def _group_of(self, site: str) -> str:
        try:
            return self._sites.site(site).site_group
        except NotKnown:
            return ""

    async def _pass_on(
        self, scope: Scope, receive: Receive, send: Send, refused: tuple[int, str] | None
    ) -> None:
        if refused is not None:
            await problem(refused[0], "not allowed", refused[1])(scope, receive, send)
            return
        await self._app(scope, receive, send)


class _Answer:
    """Passes an answer on, and keeps its status and the beginning of its body."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.is_dry_run = False
        self.body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.is_dry_run = DRY_RUN_HEADER in Headers(raw=message["headers"])
        elif len(self.body) <= MAX_ANSWER_BYTES:
            self.body += message.get("body", b"")
        await self._send(message)
