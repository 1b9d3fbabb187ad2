"""Addresses without their secrets, for everything that is printed, logged, sent or shown; and their hosts.

Cameras carry passwords in the user part, in the query and in the path (`/user=admin_password=…`, a stream
key). Of a camera's address only scheme, host and port are shown; of any other address the user part and all
values are masked.
"""

import ipaddress
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

MASK = "***"
CAMERA_SCHEMES = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "srt", "rtp", "udp"})
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[\w.-]+)(:\d+)?$")
_PATH_VALUE = re.compile(r"([^/;_,=?&#]+)=[^/;?&#]*")
_QUERY_VALUE = re.compile(r"=[^&#]*")


def masked_address(address: str, *, camera: bool = False) -> str:
    """The address without its secrets; text that is no address stays as it is.

    `camera`: of a camera's address the path is masked with every scheme, since it can be a stream's key.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    user, at, place = rest.rpartition("@")
    if at and re.match(r"[^/?#]*[/?#]", user) and _HOST.match(re.split(r"[/?#]", user)[0]):
        user, at, place = "", "", rest  # the @ is in the path: what is before the first slash is a host
    host, path = _split_at_path(place)
    shown = f"{scheme}://{f'{MASK}@' if at else ''}{host}"
    if camera or scheme.lower() in CAMERA_SCHEMES:
        return f"{shown}/{MASK}" if path.strip("/") else shown
    before, mark, query = path.partition("?")
    return shown + _PATH_VALUE.sub(rf"\1={MASK}", before) + mark + _QUERY_VALUE.sub(f"={MASK}", query)


def masked_text(text: str) -> str:
    """The text with every address in it masked."""
    return _ADDRESS.sub(lambda found: masked_address(found.group()), text)


def masked_values(values: Any) -> Any:
    """The same values (mappings, sequences, texts) with every text that is an address masked."""
    if isinstance(values, Mapping):
        return {key: masked_values(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [masked_values(value) for value in values]
    return masked_address(values) if isinstance(values, str) else values


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or address alone, is this machine and reachable from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def host_of(url: str) -> str:
    """The host in `SCHEME://HOST:PORT`, without brackets; empty if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_plain_allowed(url: str) -> bool:
    """Whether a connection without encryption may go there: to this machine, and not to `tls://`."""
    return is_loopback(host_of(url)) and not url.lower().startswith("tls:")


class MaskedFormatter(logging.Formatter):
    """Formats log records, tracebacks included, with every address masked."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one text."""
        return masked_text(super().format(record))


def _split_at_path(place: str) -> tuple[str, str]:
    end = re.search(r"[/?#;]", place)
    return (place, "") if end is None else (place[: end.start()], place[end.start() :])
