"""The addresses of login, logout and password."""

import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboards.access import cookies
from dashboards.access.forms import START, FormTokens, local_path, read_form
from dashboards.access.login_page import FORM_FIELD, login_page, logout_page, message_page, password_page
from dashboards.access.logins import CloudLogins, machine_operator
from dashboards.access.sessions import BrowserSession, BrowserSessions
from dashboards.access.settings import AccessSettings
from dashboards.errors import CloudLost, DashboardError, LoginRefused
from messaging.access.login_limits import LoginLimits
from messaging.access_resources import UserResource

logger = logging.getLogger(__name__)

PROXY_PATH = "/login/proxy"
STYLE = Path(__file__).parent / "login.css"
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
}
STALE_FORM = "this form is of another browser or of an earlier start of the page; send it once more"
Answer = Callable[[Request], Awaitable[Response]]


class LoginRoutes:
    """Login by name and password or by the page's own link, logout, change of password.

    `link_token`: whoever opens `/login?token=…` with it has the authority of the data folder.
    """

    def __init__(
        self,
        sessions: BrowserSessions,
        logins: CloudLogins,
        forms: FormTokens,
        link_token: str,
        *,
        others: tuple[tuple[str, str], ...],
        settings: AccessSettings,
    ) -> None:
        """`others`: address and text of other ways to log in."""
        self._sessions, self._logins, self._forms = sessions, logins, forms
        self._link_token, self._others, self._proxies = link_token, others, settings.proxies
        self._proxy_header = settings.trusted_header.header if settings.trusted_header else None
        self._limits = LoginLimits(time.monotonic)

    def routes(self) -> list[Route]:
        """Paths, methods and what answers them."""
        return [
            Route("/login", self._ask),
            Route("/login", answered(self._log_in), methods=["POST"]),
            Route("/login/style.css", _style),
            Route("/logout", self._ask_to_log_out),
            Route("/logout", answered(self._log_out), methods=["POST"]),
            Route("/password", self._ask_for_password),
            Route("/password", answered(self._change_password), methods=["POST"]),
        ]

    def begin(
        self, request: Request, user: UserResource, bearer: str, wanted: str, *, operator: str = ""
    ) -> Response:
        """Give the browser a session and lead it on. A session of the same person that ended goes on too."""
        ended: BrowserSession | None = request.state.session
        response = RedirectResponse(wanted, 303, headers=PAGE_HEADERS)
        if ended is not None and ended.bearer is None and ended.user.name == user.name:
            self._sessions.renew(ended, user, bearer)
        session = self._sessions.begin(user, bearer, operator=operator)
        cookies.set_session(response, request, session.key)
        logger.info("%.80r has logged in from %s", user.name, self._address(request))
        return response

    async def renew(self, connection: HTTPConnection, password: str) -> None:
        """Let the session of an open page go on, by the password of its user.

        Raises `LoginRefused`, `CloudLost`.
        """
        session: BrowserSession = connection.state.session
        made = await self._logins.log_in(session.user.name, password, self._address(connection))
        self._sessions.renew(session, made.user, made.token)
        logger.info("%.80r has logged in again from %s", session.user.name, self._address(connection))

    # -- login ---------------------------------------------------------------------------------------

    async def _ask(self, request: Request) -> Response:
        wanted = local_path(request.query_params.get("next"))
        if "token" in request.query_params:
            return await self._open_link(request, request.query_params["token"], wanted)
        session: BrowserSession | None = request.state.session
        if session is not None and session.bearer is not None:
            return RedirectResponse(wanted, 303, headers=PAGE_HEADERS)
        if self._proxy_header is not None and self._proxy_header in request.headers:
            there = f"{PROXY_PATH}?{urlencode({'next': wanted})}"
            return RedirectResponse(there, 303, headers=PAGE_HEADERS)
        name = session.user.name if session is not None and session.has_password else ""
        return self._form(request, wanted, name=name)

    async def _open_link(self, request: Request, token: str, wanted: str) -> Response:
        key = f"address {self._address(request)}"
        if (wait := self._limits.wait_s(key)) > 0:
            fault = f"too many attempts; try again in {wait:.0f} s"
            return self._form(request, wanted, fault=fault, status=429)
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self._link_token.encode()):
            self._limits.failed(key)
            logger.warning("a login with a token from %s failed", self._address(request))
            fault = "this token is not valid; the page prints a new one at every start"
            return self._form(request, wanted, fault=fault, status=403)
        try:
            operator = machine_operator()
            user, bearer = await self._logins.as_operator(operator)
        except DashboardError as error:
            return self._form(request, wanted, fault=str(error), status=503)
        self._limits.succeeded(key)
        return self.begin(request, user, bearer, wanted, operator=operator)

    async def _log_in(self, request: Request) -> Response:
        fields = await read_form(request)
        wanted, name = local_path(fields.get("next")), fields.get("name", "").strip()
        if not self._forms.fits(cookies.form_cookie(request), fields.get(FORM_FIELD, "")):
            return self._form(request, wanted, name=name, fault=STALE_FORM, status=403)
        try:
            made = await self._logins.log_in(name, fields.get("password", ""), self._address(request))
        except (LoginRefused, CloudLost) as error:
            status = error.status if isinstance(error, LoginRefused) else 503
            return self._form(request, wanted, name=name, fault=f"{error}", status=status)
        return self.begin(request, made.user, made.token, wanted)

    def _form(
        self, request: Request, wanted: str, *, name: str = "", fault: str = "", status: int = 200
    ) -> Response:
        secret = cookies.form_cookie(request) or cookies.new_form_secret()
        others = tuple((f"{path}?{urlencode({'next': wanted})}", text) for path, text in self._others)
        token = self._forms.token(secret)
        text = login_page(form_token=token, going_to=wanted, name=name[:80], fault=fault, others=others)
        response = _page(text, status)
        cookies.set_form(response, request, secret)
        return response

    def _address(self, request: HTTPConnection) -> str:
        """The browser's address: behind a proxy, the last one that it states."""
        peer = request.client.host if request.client else "unknown"
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return forwarded[:80] if peer in self._proxies and forwarded else peer

    # -- logout and password -------------------------------------------------------------------------

    async def _ask_to_log_out(self, request: Request) -> Response:
        session: BrowserSession = request.state.session
        return _page(logout_page(form_token=self._forms.token(session.key), user=session.user.name))

    async def _log_out(self, request: Request) -> Response:
        session: BrowserSession = request.state.session
        fields = await read_form(request)
        if not self._forms.fits(session.key, fields.get(FORM_FIELD, "")):
            raise LoginRefused(STALE_FORM, 403)
        bearer = session.bearer
        self._sessions.remove(session)
        response = RedirectResponse("/login", 303, headers=PAGE_HEADERS)
        cookies.remove_session(response, request)
        if bearer is not None and session.has_password:
            try:
                await self._logins.log_out(bearer)
            except DashboardError as error:
                logger.warning("the cloud's session of %.80r was not ended: %s", session.user.name, error)
        return response

    async def _ask_for_password(self, request: Request) -> Response:
        return self._password_form(request.state.session)

    async def _change_password(self, request: Request) -> Response:
        session: BrowserSession = request.state.session
        fields = await read_form(request)
        if not self._forms.fits(session.key, fields.get(FORM_FIELD, "")):
            raise LoginRefused(STALE_FORM, 403)
        new = fields.get("new", "")
        if new != fields.get("again"):
            return self._password_form(session, "the new password is not the same twice; type it again", 422)
        try:
            await self._logins.change_password(session.bearer or "", fields.get("present", ""), new)
            made = await self._logins.log_in(session.user.name, new, self._address(request))
        except LoginRefused as error:
            return self._password_form(session, str(error), error.status)
        self._sessions.renew(session, made.user, made.token)
        return RedirectResponse(START, 303, headers=PAGE_HEADERS)

    def _password_form(self, session: BrowserSession, fault: str = "", status: int = 200) -> Response:
        if not session.has_password:
            sentence = (
                "this session is by the page's own link; log in as a user to change that user's password"
            )
            return _page(message_page("Change your password", sentence), 409)
        token = self._forms.token(session.key)
        return _page(password_page(form_token=token, user=session.user.name, fault=fault), status)


async def _style(_request: Request) -> Response:
    return FileResponse(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


def answered(handler: Answer) -> Answer:
    """The handler, whose errors become a page with their sentence."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except DashboardError as error:
            status = error.status if isinstance(error, LoginRefused) else 503
            return _page(message_page("This did not work", str(error)), status)

    return answer


def _page(text: str, status: int = 200) -> Response:
    return HTMLResponse(text, status, headers=PAGE_HEADERS)
