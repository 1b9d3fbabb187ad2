"""Who a request is from, and which sites that may see, as dependencies of routes."""

from typing import Annotated, TypeVar

from fastapi import Depends, Request

from cloud.access.principal import Principal
from cloud.api.services import CloudServices, Services
from messaging.card_resources import ModelCard
from messaging.release_resources import ModelResource

R = TypeVar("R", ModelResource, ModelCard)
VisibleSites = frozenset[str] | None


def caller_of(request: Request) -> Principal:
    """Who the guard found the request to be from."""
    principal: Principal = request.state.principal
    return principal


Caller = Annotated[Principal, Depends(caller_of)]


def visible_sites(services: CloudServices, caller: Caller) -> VisibleSites:
    """Names of the sites that the caller may see; None for all."""
    if not caller.limited:
        return None
    return frozenset(site.site for site in services.reports.sites() if caller.sees(site.site_group))


Visible = Annotated[VisibleSites, Depends(visible_sites)]


def is_visible(site: str, visible: VisibleSites) -> bool:
    """Whether a site is among the visible ones."""
    return visible is None or site in visible


def visible_names(names: tuple[str, ...], visible: VisibleSites) -> tuple[str, ...]:
    """Those of these sites, or cameras (`SITE/CAMERA`), that are visible."""
    if visible is None:
        return names
    return tuple(name for name in names if name.partition("/")[0] in visible)


def of_visible_sites(resource: R, visible: VisibleSites) -> R:
    """The resource without the sites that are not visible."""
    if visible is None:
        return resource
    shown = tuple(one for one in resource.sites if getattr(one, "site", one) in visible)
    return resource.model_copy(update={"sites": shown})


def sites_of_group(services: Services, group: str, visible: VisibleSites) -> frozenset[str]:
    """The names of the sites of a group that may be seen."""
    sites = services.reports.sites()
    return frozenset(s.site for s in sites if s.site_group == group and is_visible(s.site, visible))
