"""Who may open the pages: put around an application with `add_access`, asked with `viewer_of`.

In `build_page`, before `ui.run_with(app, …)` or after it:

    access = Access(data_folder)
    add_access(app, access)
    …
    await access.close()          # when the page stops

`access.link(url)` is the address that logs in with the data folder's authority, for the console.

In a route of FastAPI or Starlette, and in a page function of NiceGUI, its timers and its event handlers:

    viewer = viewer_of(request)
    viewer = current_viewer()     # dashboards.access.current

Both give the `Viewer`, with a client that sends this person's own token, and raise `SessionEnded` once that
session has ended; so does every request of `viewer.client`. Without a session a page function is not reached:
the guard has led the browser to `/login?next=…`. For a page that is open when its session ends: ask for the
password and call `log_in_again`, or show a link to `login_address(path_and_query)` of
`dashboards.access.guard`, to be opened in another tab. Once the same person has logged in, `current_viewer()`
gives a viewer again, and the page goes on with everything that was typed. Ask it at every refresh: what other
viewers read may be shown to nobody whose session has ended.
For the menu of the account: links to `/password` and `/logout`.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from weakref import WeakKeyDictionary

import httpx
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response

from dashboards.access.cloud_transport import SENTENCE, CloudTransport, SessionTransport
from dashboards.access.external_routes import CALLBACK_PATH, START_PATH, ExternalRoutes
from dashboards.access.forms import FormTokens
from dashboards.access.guard import LOGIN, BrowserGuard
from dashboards.access.live_events import LiveEvents
from dashboards.access.logins import CloudLogins
from dashboards.access.oidc import OidcLogin
from dashboards.access.proxy_login import ProxyLogin
from dashboards.access.routes import LoginRoutes
from dashboards.access.sessions import BrowserSession, BrowserSessions
from dashboards.access.settings import PASSWORDS, AccessSettings
from dashboards.access.viewer import Viewer
from dashboards.client import CloudClient
from dashboards.errors import SessionEnded
from messaging.cloud_address import CloudAddress

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; "
    # Vue compiles its templates in the browser, and NiceGUI writes the page's start into the page itself
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:{images}; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Access:
    """The logins of one page over the cloud of a data folder. `close` it when the page stops.

    Args:
        folder: the cloud's data folder.
        settings: how browsers log in, beside passwords.
        clock: seconds that never go back.
        provider: replaces the network to an OpenID Connect provider, in tests.
        image_hosts: origins of images of other hosts, such as `https://tiles.example` for a map.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: AccessSettings = PASSWORDS,
        clock: Callable[[], float] = time.monotonic,
        image_hosts: tuple[str, ...] = (),
        provider: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._transport = CloudTransport(folder)
        self.settings = settings
        self.sessions, self.forms = BrowserSessions(clock), FormTokens()
        self._link_token = secrets.token_urlsafe(32)
        logins, oidc = CloudLogins(self._transport), None
        others: tuple[tuple[str, str], ...] = ()
        if settings.oidc is not None:
            callback = f"{settings.public_url}{CALLBACK_PATH}"
            oidc = OidcLogin(settings.oidc, callback, clock, transport=provider)
            others = ((START_PATH, f"Log in with {settings.oidc.name}"),)
        self._own = own = LoginRoutes(
            self.sessions, logins, self.forms, self._link_token, others=others, settings=settings
        )
        self.routes = [*ExternalRoutes(own, logins, oidc, settings).routes(), *own.routes()]
        images = "".join(f" {host}" for host in image_hosts)
        self.headers = {**HEADERS, "Content-Security-Policy": CONTENT_SECURITY_POLICY.format(images=images)}
        self._viewers: WeakKeyDictionary[BrowserSession, Viewer] = WeakKeyDictionary()

    def link(self, url: str) -> str:
        """The address that logs in with the authority of the data folder, until the page stops."""
        return f"{url}{LOGIN}?token={self._link_token}"

    def viewer(self, session: BrowserSession | None) -> Viewer:
        """Who a session is of. Raises `SessionEnded`."""
        if session is None or self.sessions.bearer_of(session) is None:
            raise SessionEnded(SENTENCE)
        viewer = self._viewers.get(session)
        if viewer is None or viewer.user != session.user:
            # the transport sets address and token of every request
            address = CloudAddress(self._transport.url, "")
            transport = SessionTransport(self._transport, self.sessions, session)
            viewer = Viewer(session.user, CloudClient(address, transport=transport))
            self._viewers[session] = viewer
        return viewer

    def may_renew(self, session: BrowserSession | None) -> bool:
        """Whether a session that has ended can go on by a password: it has one, and nobody logged out."""
        return session is not None and session.has_password and self.sessions.find(session.key) is session

    async def renew(self, connection: HTTPConnection, password: str) -> None:
        """Let the session of an open page go on. Raises `LoginRefused`, `CloudLost`, `SessionEnded`."""
        if not self.may_renew(connection.state.session):
            raise SessionEnded(SENTENCE)
        await self._own.renew(connection, password)

    def live_events(self, changed: Callable[[], None]) -> LiveEvents:
        """The cloud's live events, with the authority of the data folder."""
        return LiveEvents(self._transport, changed)

    async def close(self) -> None:
        """End the connections to the cloud."""
        await self._transport.close()


def add_access(app: Starlette, access: Access) -> None:
    """Put the guard around an application, and add login, logout and password."""
    app.router.routes[:0] = access.routes  # before what NiceGUI has mounted at `/`
    settings = access.settings
    state: dict[str, object] = {
        "access": access,
        "public_host": settings.public_host,
        "encrypted": settings.encrypted,
    }
    app.add_middleware(
        BrowserGuard,
        sessions=access.sessions,
        headers=access.headers,
        state=state,
        proxy=ProxyLogin(settings),
    )
    app.add_exception_handler(SessionEnded, _session_ended)


def viewer_of(connection: HTTPConnection) -> Viewer:
    """Who sends a request. Raises `SessionEnded`."""
    access: Access = connection.state.access
    return access.viewer(connection.state.session)


async def _session_ended(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 401)
