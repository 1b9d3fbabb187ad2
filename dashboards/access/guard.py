"""What every request of a browser passes before the pages: whether a page of ours made it, and who sends it.

Requests that other sites make a browser send, websockets among them, are refused. Without a session a browser
is led to the login page; everything else is answered with 401. Every answer gets the headers by which a
browser limits what a page may do.
"""

from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.access.cookies import session_cookie
from dashboards.access.proxy_login import ProxyLogin
from dashboards.access.sessions import BrowserSession, BrowserSessions
from dashboards.errors import LoginRefused

LOGIN = "/login"
OPEN_PATHS = frozenset({LOGIN, "/favicon.ico"})
LIBRARY = "/_nicegui"  # styles, scripts and the connection of a page that is open
POLICY_VIOLATION = 1008
FOREIGN = "this request comes from another site than the page; open the page itself"


class BrowserGuard:
    """An ASGI application around the pages. A page finds its session in `request.state.session`.

    Args:
        app: the pages.
        sessions: the sessions of browsers.
        headers: what every answer gets, unless it has it already.
        state: what is set in the `state` of every request.
        proxy: reads the name that a proxy states; a session of somebody else is none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        sessions: BrowserSessions,
        headers: dict[str, str],
        state: dict[str, object],
        proxy: ProxyLogin,
    ) -> None:
        self._app, self._sessions, self._headers, self._state = app, sessions, headers, state
        self._proxy = proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request or websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        scope.setdefault("state", {}).update(self._state)
        session = self._sessions.find(session_cookie(connection) or "")
        refused = ""
        try:
            stated = self._proxy.name_in(connection)
        except LoginRefused as error:
            session, stated, refused = None, None, str(error)
        if session is not None and stated is not None and stated != session.user.name:
            session = None
        scope["state"]["session"] = session
        if scope["type"] == "websocket":
            await self._websocket(connection, session, receive, send)
            return
        if refused:
            await PlainTextResponse(refused, 403)(scope, receive, self._with_headers(send))
            return
        await self._http(connection, session, receive, self._with_headers(send))

    async def _websocket(
        self, connection: HTTPConnection, session: BrowserSession | None, receive: Receive, send: Send
    ) -> None:
        """Refuse one without the origin of this page or without a session.

        One whose session has ended is accepted: its page asks the person to log in again.
        """
        if session is None or "origin" not in connection.headers or is_foreign(connection):
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return

        async def receive_and_note() -> Message:
            message = await receive()
            self._sessions.touch(session)
            return message

        await self._app(connection.scope, receive_and_note, send)

    async def _http(
        self, connection: HTTPConnection, session: BrowserSession | None, receive: Receive, send: Send
    ) -> None:
        scope, path = connection.scope, connection.scope["path"]
        answer: ASGIApp | None = None
        if is_foreign(connection):
            answer = PlainTextResponse(FOREIGN, 403)
        elif path in OPEN_PATHS or path.startswith(f"{LOGIN}/"):
            pass
        elif session is None or (session.bearer is None and not path.startswith(LIBRARY)):
            answer = _log_in_first(connection)
        else:
            self._sessions.touch(session)
        await (answer or self._app)(scope, receive, send)

    def _with_headers(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return send_with_headers


def is_foreign(connection: HTTPConnection) -> bool:
    """Whether another site than this page made the browser send a request.

    By the `Origin` header, which every request has that is no GET; and by Fetch Metadata, where a browser
    sends it. Somebody else's link may be followed. Without either header only GET and HEAD pass.
    """
    headers, method = connection.headers, connection.scope.get("method", "GET")
    if (origin := headers.get("origin")) is not None:
        ours = (headers.get("host", "").lower(), getattr(connection.state, "public_host", None))
        return not (host := _host_of(origin)) or host not in ours
    site = headers.get("sec-fetch-site")
    if method not in ("GET", "HEAD"):
        return site != "same-origin"
    return site in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate"


def login_address(wanted: str) -> str:
    """The login page, which leads to this path and query afterwards."""
    return LOGIN if wanted == "/" else f"{LOGIN}?next={quote(wanted, safe='')}"


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _log_in_first(connection: HTTPConnection) -> PlainTextResponse | RedirectResponse:
    headers, scope = connection.headers, connection.scope
    if scope["method"] in ("GET", "HEAD") and "text/html" in headers.get("accept", ""):
        query = scope["query_string"].decode("ascii", "replace")
        wanted = quote(scope["path"], safe="/") + (f"?{query}" if query else "")
        return RedirectResponse(login_address(wanted), 303, headers={"Cache-Control": "no-store"})
    return PlainTextResponse("log in first", 401, headers={"Cache-Control": "no-store"})
