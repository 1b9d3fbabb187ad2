"""Paths in foreign syntax: each function quotes a path so that no character of it has a meaning there."""

import glob
import json
from pathlib import Path
from urllib.parse import quote


def sqlite_url(path: Path) -> str:
    """SQLAlchemy URL of a SQLite file; `?`, `#`, `%` and blanks in the path stay part of the path."""
    return f"sqlite:///file:{quote(str(path.absolute()))}?uri=true"


def nats_string(text: str) -> str:
    """A quoted string of a nats-server configuration. Raises `ValueError` for line breaks."""
    if "\n" in text or "\r" in text:
        raise ValueError(f"{text!r} holds a line break, which a nats-server configuration cannot carry")
    return json.dumps(text, ensure_ascii=False)


def yaml_string(text: str) -> str:
    """A quoted YAML string."""
    return json.dumps(text, ensure_ascii=False)


def glob_literal(path: Path) -> str:
    """The path as a glob pattern that matches only itself."""
    return glob.escape(str(path))
