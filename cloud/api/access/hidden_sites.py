"""Sentences for users who are limited to site groups: the names of other sites are taken out of them."""

import re
from typing import Annotated, Any, TypeVar

from fastapi import Depends

from cloud.api.access.caller import Visible
from cloud.api.services import CloudServices
from messaging.resources import Resource

S = TypeVar("S", bound=Resource)
HiddenSites = re.Pattern[str] | None
ANOTHER = "another site"
TEXTS = frozenset({"reason", "note", "notes", "metrics"})
"""Fields with sentences or free values, in which a site may be named; no identifier is among them."""


def hidden_sites(services: CloudServices, visible: Visible) -> HiddenSites:
    """Matches the names of the sites that the caller may not see; None if there is none."""
    if visible is None:
        return None
    names = {site.site for site in services.reports.sites()} - visible
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])") if names else None


Hidden = Annotated[HiddenSites, Depends(hidden_sites)]


def without_hidden(resource: S, hidden: HiddenSites) -> S:
    """The resource whose sentences say "another site" where they name a hidden one."""
    if hidden is None:
        return resource
    return type(resource).model_validate(_cleared(resource.model_dump(), hidden, inside=False))


def _cleared(value: Any, hidden: re.Pattern[str], *, inside: bool) -> Any:
    """`inside`: whether the value is a sentence, or in a field of free values."""
    match value:
        case dict():
            return {
                _cleared(key, hidden, inside=inside): _cleared(
                    item, hidden, inside=inside or (isinstance(key, str) and key in TEXTS)
                )
                for key, item in value.items()
            }
        case list() | tuple():
            return type(value)(_cleared(item, hidden, inside=inside) for item in value)
        case str() if inside:
            return hidden.sub(ANOTHER, value)
        case _:
            return value
