"""The hub's NATS accounts as JWTs: one of the fleet, with all streams, and one of each site, with nothing.

The fleet's account exports exactly the subjects of `permissions`, the site's imports those with its own name
in them. Whatever a site's client publishes, and whatever reply subject and headers it chooses, stays in the
site's account unless the subject is one of these imports; the server's answers come back into it. Pure: keys
in, signed text out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from messaging.nats.credentials import KeyPair, signed_jwt
from messaging.nats.permissions import EVERYTHING, Permissions, commands_of, gate_at_hub, services_of
from messaging.wire_format.codec import MAX_MESSAGE_BYTES

SITE_CONNECTIONS = 8
SITE_SUBSCRIPTIONS = 64
SITE_PAYLOAD_BYTES = MAX_MESSAGE_BYTES + 4096
"""The largest message with its headers; every stream at the hub has a smaller limit of its own."""
MQTT_CONNECTIONS = 64
MQTT_STORE_BYTES = 256 * 2**20
CONNECTIONS_ENDED = "$SYS.ACCOUNT.*.DISCONNECT"
"""Where nats-server publishes each connection that ended, also one that was never let in."""
_NOTHING = "_nothing"
_NO_LIMIT = -1
_NONE = 0
_EVERY_SITE = "*"


def operator_jwt(operator: KeyPair, system: KeyPair) -> str:
    """The operator, who signs all accounts."""
    claims = {
        "name": "blindspot",
        "sub": operator.public,
        "iat": 0,
        "nats": {"type": "operator", "version": 2, "system_account": system.public},
    }
    return signed_jwt(claims, operator)


def system_account_jwt(operator: KeyPair, system: KeyPair, now_utc: int) -> str:
    """The server's own account; its one user reads which connections end."""
    return _account("system", operator, system, now_utc, {"limits": _open_limits({})})


def connection_events_jwt(system: KeyPair, user: str, now_utc: int) -> str:
    """A user of the server's own account that can only read which connections end, and why."""
    limits = dict.fromkeys(("subs", "data", "payload"), _NO_LIMIT)
    permissions = Permissions((_NOTHING,), (CONNECTIONS_ENDED,))
    return user_jwt("connection-events", system, user, now_utc, permissions, limits)


def fleet_account_jwt(operator: KeyPair, fleet: KeyPair, now_utc: int, *, users_since_utc: int) -> str:
    """The account with all streams, whose one user is the cloud.

    Users that were issued before `users_since_utc` are refused: those of the layout with one account for all.
    """
    exports = [
        *_entries(services_of(_EVERY_SITE), "service"),
        *_entries(commands_of(_EVERY_SITE), "stream"),
    ]
    storage = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), _NO_LIMIT)
    nats = {
        "limits": _open_limits(storage),
        "exports": exports,
        "revocations": {"*": users_since_utc - 1},
    }
    return _account("fleet", operator, fleet, now_utc, nats)


def site_account_jwt(operator: KeyPair, site: str, account: KeyPair, fleet: str, now_utc: int) -> str:
    """A site's account: no streams, no exports, and from the account `fleet` the subjects of this site."""
    imports = [
        {**entry, "account": fleet}
        for entry in (*_entries(services_of(site), "service"), *_entries(commands_of(site), "stream"))
    ]
    limits = {
        "conn": SITE_CONNECTIONS,
        "subs": SITE_SUBSCRIPTIONS,
        "payload": SITE_PAYLOAD_BYTES,
        "data": _NO_LIMIT,
        "imports": len(imports),
        "exports": _NONE,
        "leaf": _NONE,
        "wildcards": False,
    }
    return _account(f"site-{site}", operator, account, now_utc, {"limits": limits, "imports": imports})


def gate_jwt(site: str, account: KeyPair, user: str, now_utc: int, *, expires_utc: int) -> str:
    """The user of a site's gate, with exactly its subjects, until it expires."""
    limits = {
        "subs": SITE_SUBSCRIPTIONS,
        "payload": SITE_PAYLOAD_BYTES,
        "data": _NO_LIMIT,
        "allowed_connection_types": ["STANDARD"],
    }
    return user_jwt(
        f"site-{site}", account, user, now_utc, gate_at_hub(site), limits, expires_utc=expires_utc
    )


def cloud_jwt(fleet: KeyPair, user: str, now_utc: int) -> str:
    """The cloud, with every subject of the fleet's account."""
    limits = dict.fromkeys(("subs", "data", "payload"), _NO_LIMIT)
    return user_jwt("cloud", fleet, user, now_utc, EVERYTHING, limits)


def user_jwt(
    name: str,
    account: KeyPair,
    user: str,
    now_utc: int,
    permissions: Permissions,
    limits: Mapping[str, Any],
    *,
    expires_utc: int | None = None,
) -> str:
    """A user of an account; `user` is its public key."""
    claims = {
        "name": name,
        "sub": user,
        "iat": now_utc,
        "nats": {
            "type": "user",
            "version": 2,
            "pub": {"allow": list(permissions.publish)},
            "sub": {"allow": list(permissions.subscribe)},
            **limits,
        },
    }
    return signed_jwt(claims if expires_utc is None else {**claims, "exp": expires_utc}, account)


def mqtt_account_jwt(operator: KeyPair, account: KeyPair, now_utc: int) -> str:
    """The account of MQTT clients: streams for their sessions, no imports and no exports."""
    storage = {"mem_storage": _NONE, "disk_storage": MQTT_STORE_BYTES, "streams": 10, "consumer": 1000}
    limits = {
        **{"conn": MQTT_CONNECTIONS, "subs": 1000, "payload": SITE_PAYLOAD_BYTES, "data": _NO_LIMIT},
        **{"imports": _NONE, "exports": _NONE, "leaf": _NONE, "wildcards": False},
        **storage,
    }
    return _account("mqtt", operator, account, now_utc, {"limits": limits})


def mqtt_user_jwt(
    name: str,
    account: KeyPair,
    user: str,
    now_utc: int,
    *,
    publish: tuple[str, ...],
    subscribe: tuple[str, ...],
) -> str:
    """A user that an MQTT client is by giving this JWT as its password; an empty list allows nothing."""
    limits = {
        **{"subs": 100, "payload": SITE_PAYLOAD_BYTES, "data": _NO_LIMIT},
        **{"bearer_token": True, "allowed_connection_types": ["MQTT"]},
    }
    permissions = Permissions(publish or (_NOTHING,), subscribe or (_NOTHING,))
    return user_jwt(name, account, user, now_utc, permissions, limits)


def _entries(subjects: Sequence[str], kind: str) -> list[dict[str, str]]:
    return [{"name": subject, "subject": subject, "type": kind} for subject in subjects]


def _account(name: str, operator: KeyPair, account: KeyPair, now_utc: int, nats: Mapping[str, Any]) -> str:
    claims = {
        "name": name,
        "sub": account.public,
        "iat": now_utc,
        "nats": {"type": "account", "version": 2, **nats},
    }
    return signed_jwt(claims, operator)


def _open_limits(storage: Mapping[str, int]) -> dict[str, Any]:
    names = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
    return {**dict.fromkeys(names, _NO_LIMIT), "wildcards": True, **storage}
