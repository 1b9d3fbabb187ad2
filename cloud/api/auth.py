"""The token of the data folder: made once from the system's random source, kept there with mode 0600.

Whoever may read the file may administer the cloud: it is the first token of a new cloud, and the command
line's on the same machine.
"""

import logging
import secrets
from pathlib import Path

from messaging.cloud_address import read_token
from messaging.errors import FileFault
from messaging.runtime.atomic_files import SECRET_MODE, write_secret

logger = logging.getLogger(__name__)


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
