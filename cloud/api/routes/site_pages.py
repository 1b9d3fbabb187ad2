"""API routes of one site, and of what left the sites day by day."""

from fastapi import APIRouter

from cloud.api.access.caller import Visible, is_visible, sites_of_group
from cloud.api.computed.places import places
from cloud.api.computed.site_page import site_page
from cloud.api.computed.trends import span_of
from cloud.api.paging import MAX_LIMIT, Cursor, Limit, decode_cursor, page_of, page_of_query
from cloud.api.routes.histories import Time
from cloud.api.services import CloudServices
from cloud.errors import BadRequest
from messaging.api.places import PlaceResource
from messaging.api.sites import LedgerDayResource, SitePageResource
from messaging.fields import Slug
from messaging.resources import Page

router = APIRouter(tags=["fleet"])


@router.get("/sites/{site}")
def site(services: CloudServices, site: Slug) -> SitePageResource:
    """One site: cameras, models, link, clock, enrolment with the commands to run next, dead letters."""
    return site_page(services, site)


@router.get("/places")
def fleet_places(
    services: CloudServices,
    visible: Visible,
    group: Slug | None = None,
    cursor: Cursor = None,
    limit: Limit = MAX_LIMIT,
) -> Page[PlaceResource]:
    """Cameras and sites with a configured position, by name, with their open hazards; for maps."""
    if group is not None:
        visible = sites_of_group(services, group, visible)
    return page_of(places(services, visible), cursor, limit)


@router.get("/ledger/days")
def ledger_days(
    services: CloudServices,
    visible: Visible,
    since: Time = None,
    until: Time = None,
    site: Slug | None = None,
    cursor: Cursor = None,
    limit: Limit = MAX_LIMIT,
) -> Page[LedgerDayResource]:
    """Messages received on each day by site and kind, the latest day first; by default of the last week."""
    span = span_of(since, until, "day", now=services.clock() + 1)
    sites = visible if site is None else frozenset({site} if is_visible(site, visible) else ())
    found = services.histories.ledger_days.days(span, sites, after=_place(cursor), limit=limit + 1)
    return page_of_query(
        found,
        limit,
        place=lambda one: [one.at, one.site, one.kind],
        show=LedgerDayResource.model_validate,
    )


def _place(cursor: str | None) -> tuple[int, str, str] | None:
    match decode_cursor(cursor):
        case None:
            return None
        case [int(at), str(name), str(kind)] if 0 <= at < 2**53:
            return at, name, kind
    raise BadRequest("this cursor belongs to another list; begin without a cursor")
