"""The API's token: made once from the system's random source, kept in the data folder with mode 0600.

Whoever may read the file may use the API; there are no other users yet. Comparison takes constant time.
"""

import hmac
import secrets
from pathlib import Path

from cloud.errors import CloudUnreachable
from messaging.runtime.atomic_files import write_secret


def read_or_make_token(path: Path) -> str:
    """The token of a data folder, made at the first start."""
    if path.exists():
        path.chmod(0o600)
    else:
        write_secret(path, secrets.token_urlsafe(32).encode())
    return path.read_text(encoding="ascii").strip()


def read_token(path: Path) -> str:
    """The token, for a client. Raises `CloudUnreachable` when there is none to read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise CloudUnreachable(
            f"no token at {path} ({error.strerror}); give the data folder of a running cloud with --data"
        ) from None


def token_holds(authorization: str | None, token: str) -> bool:
    """Whether an `Authorization` header carries the token."""
    return authorization is not None and hmac.compare_digest(
        authorization.encode("utf-8", "replace"), f"Bearer {token}".encode()
    )
