"""The API's token: made once from the system's random source, kept in the data folder with mode 0600.

Whoever may read the file may use the API; there are no other users yet. Comparison takes constant time.
"""

import hmac
import logging
import secrets
from pathlib import Path
from typing import Annotated

from fastapi import Header

from messaging.cloud_address import read_token
from messaging.errors import FileFault
from messaging.resources import OPERATOR_HEADER, OPERATOR_NAME
from messaging.runtime.atomic_files import SECRET_MODE, write_secret

logger = logging.getLogger(__name__)

UNNAMED = "operator"
Operator = Annotated[str, Header(alias=OPERATOR_HEADER, pattern=OPERATOR_NAME)]
"""The name that a client states; the token is the same for all, so it is a note, not a proof."""


def read_or_make_token(path: Path) -> str:
    """The token of a data folder; made at the first start, and again if the file holds none."""
    if path.exists():
        try:
            token = read_token(path)
        except FileFault as error:
            logger.warning("a new token is made, clients must read it again: %s", error)
        else:
            path.chmod(SECRET_MODE)
            return token
    write_secret(path, secrets.token_urlsafe(32).encode())
    return read_token(path)


def token_holds(authorization: str | None, token: str) -> bool:
    """Whether an `Authorization` header carries the token."""
    return authorization is not None and hmac.compare_digest(
        authorization.encode("utf-8", "replace"), f"Bearer {token}".encode()
    )
