"""Paths, hosts and texts in foreign syntax: each is quoted so that no character of it has a meaning there."""

import json
import re
from pathlib import Path
from urllib.parse import quote, unquote

_SQLITE = "sqlite:///"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def sqlite_url(path: Path) -> str:
    """SQLAlchemy URL of a SQLite file; `?`, `#`, `%` and blanks in the path stay part of the path."""
    return _SQLITE + quote(str(path.absolute()))


def sqlite_file(url: str) -> Path | None:
    """The file that a URL `sqlite:///PATH` names, `%25` in it being `%`; None for other URLs."""
    return Path(unquote(url.removeprefix(_SQLITE))) if url.startswith(_SQLITE) and url != _SQLITE else None


def url_segment(text: str) -> str:
    """One segment of a URL's path: slashes and question marks in the text do not end it."""
    return quote(text, safe="")


def nats_string(text: str) -> str:
    """A quoted string of a nats-server configuration, line breaks and control characters included."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", escaped) + '"'


def ini_value(text: str) -> str:
    """A value of a configuration in which `%` begins a reference (configparser, Alembic)."""
    return text.replace("%", "%%")


def yaml_string(text: str) -> str:
    """A quoted YAML string."""
    return json.dumps(text, ensure_ascii=False)


def url_host(host: str) -> str:
    """A host for an address with a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
