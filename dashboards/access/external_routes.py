"""Logins that somebody else has verified: an OpenID Connect provider, or a proxy in front of the page."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboards.access import cookies
from dashboards.access.forms import local_path
from dashboards.access.logins import CloudLogins
from dashboards.access.oidc import AGAIN, OidcLogin
from dashboards.access.proxy_login import ProxyLogin
from dashboards.access.routes import PAGE_HEADERS, PROXY_PATH, LoginRoutes, answered
from dashboards.access.settings import AccessSettings
from dashboards.errors import LoginRefused
from messaging.access_resources import VerifiedLogin

START_PATH = "/login/oidc"
CALLBACK_PATH = "/login/oidc/callback"


class ExternalRoutes:
    """The addresses of these logins."""

    def __init__(
        self, routes: LoginRoutes, logins: CloudLogins, oidc: OidcLogin | None, settings: AccessSettings
    ) -> None:
        self._routes, self._logins, self._oidc = routes, logins, oidc
        self._proxy, self._trusted = ProxyLogin(settings), settings.trusted_header

    def routes(self) -> list[Route]:
        """Paths and what answers them; none without a configuration."""
        by_provider = [
            Route(START_PATH, answered(self._begin)),
            Route(CALLBACK_PATH, answered(self._finish)),
        ]
        by_proxy = [Route(PROXY_PATH, answered(self._by_proxy))]
        return (by_provider if self._oidc else []) + (by_proxy if self._trusted else [])

    async def _begin(self, request: Request) -> Response:
        secret = cookies.form_cookie(request) or cookies.new_form_secret()
        wanted = local_path(request.query_params.get("next"))
        response = RedirectResponse(await self._provider().begin(wanted, secret), 303, headers=PAGE_HEADERS)
        cookies.set_form(response, request, secret)
        return response

    async def _finish(self, request: Request) -> Response:
        given = request.query_params
        secret = cookies.form_cookie(request)
        if not secret or "state" not in given:
            raise LoginRefused(AGAIN, 403)
        verified = await self._provider().finish(
            given["state"], given.get("code", ""), given.get("error", ""), secret
        )
        made = await self._logins.log_in_verified(verified.name, verified.login)
        return self._routes.begin(request, made.user, made.token, verified.wanted)

    async def _by_proxy(self, request: Request) -> Response:
        name, wanted = self._proxy.name_in(request), local_path(request.query_params.get("next"))
        if name is None or self._trusted is None:
            return RedirectResponse(f"/login?{urlencode({'next': wanted})}", 303, headers=PAGE_HEADERS)
        made = await self._logins.log_in_verified(name, VerifiedLogin(create=self._trusted.create))
        return self._routes.begin(request, made.user, made.token, wanted)

    def _provider(self) -> OidcLogin:
        if self._oidc is None:
            raise LoginRefused("no provider is configured", 404)
        return self._oidc
