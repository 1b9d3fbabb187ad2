"""Login at an OpenID Connect provider: authorisation code with PKCE, discovery, nonce (Authlib, joserfc).

The state of a login stays here, is tied to one browser, and can be used once, within `LOGIN_S`. Nothing of
the provider's tokens is kept.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http.client import BAD_REQUEST
from typing import Any
from urllib.parse import quote

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from dashboards.access.settings import ALL_SITES, OidcSettings
from dashboards.errors import LoginRefused
from messaging.access_resources import UserRole, VerifiedLogin

LOGIN_S = 600.0
LEEWAY_S = 60
TIMEOUT_S = 10.0
MOST_PENDING = 10_000
DISCOVERY = "/.well-known/openid-configuration"
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})
AGAIN = "this login was used before, took too long, or began in another browser; log in again"


@dataclass(frozen=True)
class _Pending:
    """A login that has begun. `cookie`: the secret of the browser's forms."""

    nonce: str
    verifier: str
    wanted: str
    cookie: str
    ends_at: float


@dataclass(frozen=True)
class Verified:
    """Who the provider says the person is, and where that person wanted to go."""

    name: str
    login: VerifiedLogin
    wanted: str


class OidcLogin:
    """Logins at one provider. All methods raise `LoginRefused` with one sentence."""

    def __init__(
        self,
        settings: OidcSettings,
        callback: str,
        clock: Callable[[], float],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`callback`: the address of ours to which the provider leads back. `transport` is for tests."""
        self._settings, self._callback, self._clock = settings, callback, clock
        self._transport = transport
        self._pending: dict[str, _Pending] = {}

    async def begin(self, wanted: str, cookie: str) -> str:
        """The provider's address for a login of this browser."""
        async with self._client() as client:
            metadata = await self._metadata(client)
        nonce, verifier, state = (secrets.token_urlsafe(48) for _ in range(3))
        url = prepare_grant_uri(
            _text(metadata, "authorization_endpoint"),
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=self._callback,
            scope=" ".join(self._settings.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        self._pending[state] = _Pending(nonce, verifier, wanted, cookie, self._clock() + LOGIN_S)
        while len(self._pending) > MOST_PENDING:
            del self._pending[next(iter(self._pending))]
        return str(url)

    async def finish(self, state: str, code: str, error: str, cookie: str) -> Verified:
        """Who has logged in, from what the provider sent the browser back with."""
        pending = self._pending.pop(state, None)
        if pending is None or self._clock() >= pending.ends_at or not _same(pending.cookie, cookie):
            raise LoginRefused(AGAIN, 403)
        if error or not code:
            raise LoginRefused(f"{self._settings.name} refused the login ({error[:80] or 'no code'})", 403)
        claims = await self._claims(code, pending)
        return Verified(self._name_in(claims), self._login_of(claims), pending.wanted)

    async def _claims(self, code: str, pending: _Pending) -> dict[str, Any]:
        """The verified claims of the ID token for a code."""
        name = self._settings.name
        async with self._client() as client:
            metadata = await self._metadata(client)
            try:
                token = await self._token(client, _text(metadata, "token_endpoint"), code, pending.verifier)
                keys = await client.get(_text(metadata, "jwks_uri"))
                keys.raise_for_status()
                offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
                registry = JWSRegistry(
                    algorithms=sorted(ALGORITHMS & set(offered)), strict_check_header=False
                )
                signed = jwt.decode(token["id_token"], KeySet.import_key_set(keys.json()), registry=registry)
                self._validate(signed, metadata, pending.nonce, token.get("access_token"))
            except httpx.HTTPError as error:
                raise _not_reached(name, error) from None
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise LoginRefused(
                    f"what {name} sent is not valid ({_why(error)}); log in again", 403
                ) from None
        return dict(signed.claims)

    def _validate(
        self, signed: jwt.Token, metadata: dict[str, Any], nonce: str, access_token: str | None
    ) -> None:
        """Refuse an ID token of another issuer, for another client or login, or out of its time."""
        client = self._settings.client_id
        expected = {
            "iss": {"essential": True, "value": _text(metadata, "issuer")},
            "aud": {"essential": True, "value": client},
        }
        given = {"nonce": nonce, "client_id": client, "access_token": access_token}
        CodeIDToken(signed.claims, signed.header, expected, given).validate(leeway=LEEWAY_S)

    async def _token(
        self, client: httpx.AsyncClient, endpoint: str, code: str, verifier: str
    ) -> dict[str, Any]:
        """The answer to a code. The client's name and secret are encoded as RFC 6749, 2.3.1 has it."""
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": verifier,
        }
        credentials = quote(settings.client_id, safe=""), quote(settings.client_secret, safe="")
        answer = await client.post(endpoint, data=form, auth=credentials)
        if answer.status_code == BAD_REQUEST:
            raise LoginRefused(f"{settings.name} refused the login at its end; log in again", 403)
        answer.raise_for_status()
        found = answer.json()
        if not isinstance(found, dict):
            raise TypeError("no object")
        return found

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, transport=self._transport)

    async def _metadata(self, client: httpx.AsyncClient) -> dict[str, Any]:
        """The provider's discovery document, whose issuer must be the configured one."""
        issuer = self._settings.issuer
        try:
            answer = await client.get(issuer + DISCOVERY)
            answer.raise_for_status()
            found = answer.json()
        except httpx.HTTPError as error:
            raise _not_reached(self._settings.name, error) from None
        except ValueError:
            found = None
        if not isinstance(found, dict) or str(found.get("issuer", "")).rstrip("/") != issuer:
            sentence = f"{issuer} is no provider with that name; check `oidc.issuer`"
            raise LoginRefused(sentence, 502)
        return found

    def _name_in(self, claims: dict[str, Any]) -> str:
        claim, domain = self._settings.name_claim, self._settings.domain
        name = claims.get(claim)
        if not isinstance(name, str) or not name:
            raise LoginRefused(f"{self._settings.name} states no {claim}; check `oidc.name_claim`", 403)
        if domain is None:
            return name
        if not name.endswith(f"@{domain}"):
            raise LoginRefused(f"only names that end with @{domain} may log in", 403)
        return name.removesuffix(f"@{domain}")

    def _login_of(self, claims: dict[str, Any]) -> VerifiedLogin:
        """Role and limit by the person's groups, where they are configured."""
        settings, given = self._settings, claims.get(self._settings.groups_claim or "")
        groups = [one for one in given if isinstance(one, str)] if isinstance(given, list) else []
        roles = [settings.roles[one] for one in groups if one in settings.roles]
        limits = {settings.site_groups[one] for one in groups if one in settings.site_groups}
        if (settings.roles and not roles) or (settings.site_groups and not limits):
            raise LoginRefused("none of your groups may open this page; ask who administers it", 403)
        role = max(roles, key=list(UserRole).index) if roles else None
        limit = tuple(sorted(limits)) if settings.site_groups and ALL_SITES not in limits else ()
        return VerifiedLogin(
            role=role, groups=limit if settings.site_groups else None, create=settings.create
        )


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def _text(metadata: dict[str, Any], name: str) -> str:
    found = metadata.get(name)
    if not isinstance(found, str):
        raise LoginRefused(f"the provider's discovery document has no {name}", 502)
    return found


def _not_reached(name: str, error: httpx.HTTPError) -> LoginRefused:
    status = f"status {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else ""
    return LoginRefused(f"{name} cannot be reached ({status or type(error).__name__}); try again later", 503)


def _why(error: Exception) -> str:
    """A few words without anything of the token."""
    claim = getattr(error, "claim", None)
    return f"claim {claim}" if claim else str(getattr(error, "error", "") or type(error).__name__)
