"""The two cookies of the pages: the session's identifier, and a secret that ties forms to a browser.

Both are out of reach of scripts and are not sent with requests that other sites make. Cookies know no ports;
their names have the port, so that two pages on one machine have each their own.
"""

import secrets

from starlette.requests import HTTPConnection
from starlette.responses import Response


def session_cookie(connection: HTTPConnection) -> str | None:
    """The identifier of the session that a browser sends."""
    return connection.cookies.get(_name("session", connection))


def form_cookie(connection: HTTPConnection) -> str | None:
    """The secret of a browser's forms."""
    return connection.cookies.get(_name("form", connection))


def set_session(response: Response, connection: HTTPConnection, key: str) -> None:
    """Give the browser a session's identifier, until it is closed."""
    _set(response, connection, "session", key)


def new_form_secret() -> str:
    """A secret for a browser that has none."""
    return secrets.token_urlsafe(32)


def set_form(response: Response, connection: HTTPConnection, secret: str) -> None:
    """Give the browser the secret of its forms."""
    _set(response, connection, "form", secret)


def remove_session(response: Response, connection: HTTPConnection) -> None:
    """Have the browser forget its session."""
    secure = is_encrypted(connection)
    response.delete_cookie(
        _name("session", connection), path="/", secure=secure, httponly=True, samesite="lax"
    )


def is_encrypted(connection: HTTPConnection) -> bool:
    """Whether the browser's connection has TLS: to this server, or to the proxy that its address names."""
    return connection.url.scheme in ("https", "wss") or bool(getattr(connection.state, "encrypted", False))


def _set(response: Response, connection: HTTPConnection, kind: str, value: str) -> None:
    secure = is_encrypted(connection)
    response.set_cookie(
        _name(kind, connection), value, path="/", secure=secure, httponly=True, samesite="lax"
    )


def _name(kind: str, connection: HTTPConnection) -> str:
    """`__Host-` has a browser refuse a cookie that another host or an unencrypted answer sets for it."""
    port = connection.headers.get("host", "").rpartition(":")[2]
    name = f"blindspot_{kind}_{port}" if port.isdecimal() else f"blindspot_{kind}"
    return f"__Host-{name}" if is_encrypted(connection) else name
