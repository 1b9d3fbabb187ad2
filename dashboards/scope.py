"""What a viewer has chosen for all pages: a site group and a time range.

They are in the address of each page, so that a link shows the same to a colleague. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode

DEFAULT_RANGE = "24h"
RANGES: Mapping[str, tuple[str, int]] = {
    "1h": ("last hour", 3_600),
    "24h": ("last 24 hours", 86_400),
    "7d": ("last 7 days", 7 * 86_400),
    "30d": ("last 30 days", 30 * 86_400),
    "1y": ("last year", 365 * 86_400),
}
"""Name in the address, text, seconds."""


@dataclass(frozen=True)
class Scope:
    """A site group, empty for all sites, and a time range (a key of `RANGES`)."""

    group: str = ""
    range: str = DEFAULT_RANGE

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> "Scope":
        """The scope in the query of an address; what is not known there is the default."""
        given = query.get("range", DEFAULT_RANGE)
        return cls(query.get("group", "")[:40], given if given in RANGES else DEFAULT_RANGE)

    @property
    def seconds(self) -> int:
        """The length of the time range."""
        return RANGES[self.range][1]

    def since(self, now: float) -> int:
        """The beginning of the time range, in seconds since 1970, on a whole minute."""
        return int(now - self.seconds) // 60 * 60

    def link(self, *parts: str, **query: str | None) -> str:
        """The address of a page with this scope: `parts` are the segments of its path, which are quoted."""
        chosen = {
            **{name: value for name, value in query.items() if value},
            **({"group": self.group} if self.group else {}),
            **({"range": self.range} if self.range != DEFAULT_RANGE else {}),
        }
        path = "/" + "/".join(quote(part, safe="") for part in parts)
        return f"{path}?{urlencode(chosen)}" if chosen else path

    def same_page(self, address: str) -> str:
        """The address of the page at `address` with this scope, and all else that is chosen there."""
        path, _, query = address.partition("?")
        kept = {name: value for name, value in parse_qsl(query) if name not in ("group", "range")}
        return self.link(*(unquote(part) for part in path.strip("/").split("/") if part), **kept)
