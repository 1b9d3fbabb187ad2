"""Where the clients of a cloud find it: its address and its token, in two files of its data folder.

The cloud writes both; the command line and the dashboard read them. A file that is empty, cut or foreign is
one sentence; an empty token never authenticates anyone.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from messaging.errors import FileFault
from messaging.runtime.text_files import read_json, read_text

ADDRESS_FILE = "api.json"
TOKEN_FILE = "token"  # a file name
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,128}")


@dataclass(frozen=True)
class CloudAddress:
    """The address of a cloud's API, and the token that it requires."""

    url: str
    token: str

    def __repr__(self) -> str:
        """Leaves out the token, which must not reach a log."""
        return f"CloudAddress({self.url!r})"


def find_cloud(folder: Path) -> CloudAddress:
    """The cloud that runs on a data folder. Raises `FileFault` with the file and the remedy."""
    if not (folder / ADDRESS_FILE).exists():
        raise FileFault(f"no cloud runs on {folder}; start it with `blindspot cloud run --data {folder}`")
    values = read_json(folder / ADDRESS_FILE)
    url = values.get("url") if isinstance(values, dict) else None
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise FileFault(f"{folder / ADDRESS_FILE} holds no address; restart the cloud, which writes it again")
    return CloudAddress(url, read_token(folder / TOKEN_FILE))


def read_token(path: Path) -> str:
    """The token in a file. Raises `FileFault` for anything else, without repeating it."""
    token = read_text(path).strip()
    if not _TOKEN.fullmatch(token):
        raise FileFault(f"{path} holds no token; restart the cloud, which makes a new one")
    return token
