"""Connections that a hub refused, from the events that nats-server publishes on its own account.

An event is published for each connection that ended. Those that ended because of a credential or certificate
are read here: what the server states of them, and the site that an unverified credential names.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from messaging.errors import ConfigurationError
from messaging.fields import SLUG_PATTERN
from messaging.nats.accounts import CONNECTIONS_ENDED
from messaging.nats.connection import NatsConnection
from messaging.nats.credentials import UserClaims, claims_of

_SITE = re.compile(f"site-({SLUG_PATTERN.strip('^$')})")


class WhyRefused(StrEnum):
    """Why a hub refused a connection or ended it.

    `NOT_ACCEPTED`: revoked, replaced, or of another hub. `CERTIFICATE`: the TLS handshake failed, as without
    a certificate, or with one that is expired, of another authority, or of no enrolled site.
    """

    NO_CREDENTIAL = "no credential"
    NOT_ACCEPTED = "not accepted"
    EXPIRED = "expired"
    CERTIFICATE = "certificate"
    TIMEOUT = "timeout"
    CONNECTIONS = "too many connections"


@dataclass(frozen=True)
class RefusedConnection:
    """`site`: which one the credential names; nobody has verified it. `address`: without the port."""

    reason: WhyRefused
    address: str
    site: str | None


_OF_SERVER = {
    "Authentication Failure": WhyRefused.NOT_ACCEPTED,
    "Authentication Expired": WhyRefused.EXPIRED,
    "Authentication Timeout": WhyRefused.TIMEOUT,
    "TLS Handshake Failure": WhyRefused.CERTIFICATE,
    "Maximum Account Connections Exceeded": WhyRefused.CONNECTIONS,
}


async def follow_refused_connections(
    wire: NatsConnection, take: Callable[[RefusedConnection], None], clock: Callable[[], float]
) -> None:
    """Have `take` called for each refused connection; `clock`: seconds since 1970. Raises `WireError`.

    `wire` is a connection with the credentials of `HubAuthority.connection_events`.
    """

    def read(data: bytes) -> None:
        found = refused_connection(data, clock())
        if found is not None:
            take(found)

    await wire.follow(CONNECTIONS_ENDED, read)


def refused_connection(data: bytes, now_utc: float) -> RefusedConnection | None:
    """What an event states; None for a connection that ended for another reason, or no event."""
    try:
        event = json.loads(data)
        client = event["client"]
        reason = _OF_SERVER.get(event["reason"])
        address, token, user = str(client.get("host", "")), client.get("jwt"), client.get("user")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if reason is None:
        return None
    claims = _claims(token)
    if reason is WhyRefused.NOT_ACCEPTED and token is None and user is None:
        reason = WhyRefused.NO_CREDENTIAL
    if reason is WhyRefused.NOT_ACCEPTED and claims is not None and claims.expired(now_utc):
        reason = WhyRefused.EXPIRED
    named = None if claims is None else _SITE.fullmatch(claims.name)
    return RefusedConnection(reason, address[:80], None if named is None else named[1])


def _claims(token: object) -> UserClaims | None:
    try:
        return claims_of(token) if isinstance(token, str) else None
    except ConfigurationError:
        return None
