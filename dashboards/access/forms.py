"""Forms of the login page: their fields, where they lead, and tokens against forms that other sites send.

A form's token is a keyed hash of a secret that only this browser's cookie has. The key is made when the page
starts. Together with the check of a request's origin (`guard`) no other site can send such a form.
"""

import hashlib
import hmac
import re
import secrets
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from dashboards.errors import LoginRefused

MAX_FORM_BYTES = 16_384
MAX_PATH = 2_000
START = "/"


class FormTokens:
    """Makes and checks the tokens of forms."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def token(self, cookie: str) -> str:
        """The token of the forms of a browser with this secret in a cookie."""
        return hmac.new(self._key, cookie.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def fits(self, cookie: str | None, token: str) -> bool:
        """Whether a form came from a page that was made for this browser."""
        expected = self.token(cookie or "").encode()
        return bool(cookie) and hmac.compare_digest(expected, token.encode("utf-8", "replace"))


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form. Raises `LoginRefused` for anything else than a short form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise LoginRefused("this address takes the form of the login page; use that", 415)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            raise LoginRefused(f"the form has more than {MAX_FORM_BYTES} bytes; shorten its fields", 413)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise LoginRefused("the form cannot be read; open the login page again", 400) from None
    return dict(fields)


def local_path(wanted: str | None) -> str:
    """Where to go on after the login: a path of this page with its query, or the start page.

    Addresses of other hosts (`//host`, `/\\host`, `https:…`) and the login page itself are refused.
    """
    if not wanted or len(wanted) > MAX_PATH or not re.fullmatch(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", wanted):
        return START
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return START
    if parts.scheme or parts.netloc or parts.path.split("/")[1] in ("login", "logout"):
        return START
    return wanted
