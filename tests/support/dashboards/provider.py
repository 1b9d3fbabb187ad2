"""A small OpenID Connect provider: discovery, authorisation code with PKCE, signed ID tokens (RS256)."""

import base64
import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

ISSUER = "https://login.city.example"
CLIENT, SECRET = "blindspot", "a secret of the client"


class Provider:
    """Logs everybody in as `claims` says; a test changes what it answers.

    Attributes:
        claims: of the next ID token, over the right ones.
        metadata: of the discovery document, over the right ones.
        key: with which it signs; `published`: which of its keys clients are given.
        down: whether no request is answered.
    """

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.key = self.published = RSAKey.generate_key(2048, {"kid": "first"})
        self.algorithm = "RS256"
        self.down = False
        self._codes: dict[str, dict[str, str]] = {}
        routes = [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/keys", self._keys),
        ]
        self._app = httpx.ASGITransport(Starlette(routes=routes))
        self.transport = _Network(self)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        return await self._app.handle_async_request(request)

    def log_in(self, address: str) -> str:
        """What a browser does at the provider: the address to which it is led back."""
        query = dict(parse_qsl(urlsplit(address).query))
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    async def _discovery(self, _request: Request) -> Response:
        values = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return JSONResponse(values | self.metadata)

    async def _authorize(self, request: Request) -> Response:
        return RedirectResponse(self.log_in(str(request.url)))

    async def _keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self.published.as_dict(private=False)]})

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        begun = self._codes.pop(form["code"], None)
        basic = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        if (
            begun is None
            or begun["code_challenge"] != base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
            or begun["redirect_uri"] != form["redirect_uri"]
            or unquote_plus(basic) != f"{CLIENT}:{SECRET}"
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        right = {
            "iss": ISSUER,
            "sub": "0815",
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": begun["nonce"],
            "preferred_username": "ana",
        }
        claims = {name: value for name, value in (right | self.claims).items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid}
        signed = jwt.encode(header, claims, self.key, algorithms=[self.algorithm])
        return JSONResponse({"access_token": "of no use", "token_type": "Bearer", "id_token": signed})


class _Network(httpx.AsyncBaseTransport):
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._provider.answer(request)
