"""API routes of hazards: list, one hazard with its deliveries, and what operators make of it."""

from typing import Annotated

from fastapi import APIRouter, Depends

from cloud.api.access.caller import Visible
from cloud.api.paging import Cursor, Limit, integer_cursor, page_of_query, pair_cursor
from cloud.api.services import CloudServices
from cloud.api.views import delivery_view
from cloud.store.delivery_records import HazardStatus
from cloud.store.lists.filters import DeliveryFilter, HazardFilter
from cloud.store.report_records import HazardRow
from messaging.fields import Slug, Ulid
from messaging.integration_resources import DeliveryResource
from messaging.resources import HazardResource, HazardStatusRequest, Page

router = APIRouter(prefix="/hazards", tags=["fleet"])


@router.get("")
def hazards(
    services: CloudServices,
    visible: Visible,
    wanted: Annotated[HazardFilter, Depends()],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[HazardResource]:
    """Hazard events in their latest state, latest start first."""
    reports, after = services.reports, pair_cursor(cursor, int, str)
    found = reports.lists.hazards(wanted, visible, after=after, limit=limit + 1)
    statuses = reports.hazard_changes.statuses(found)
    return page_of_query(
        found,
        limit,
        place=lambda row: [row.started_at_utc, row.event],
        show=lambda row: _view(row, statuses.get((row.site, row.event), HazardStatus.OPEN)),
    )


@router.get("/{site}/{event}")
def hazard(services: CloudServices, site: Slug, event: Ulid) -> HazardResource:
    """One hazard event in its latest state."""
    return _view(*services.reports.hazard_changes.hazard(site, event))


@router.get("/{site}/{event}/deliveries")
def deliveries(
    services: CloudServices, site: Slug, event: Ulid, cursor: Cursor = None, limit: Limit = 100
) -> Page[DeliveryResource]:
    """How one hazard's changes reached the integrations, latest first."""
    rows = services.integrations.deliveries(
        DeliveryFilter(site=site, event=event), before=integer_cursor(cursor) or None, limit=limit + 1
    )
    return page_of_query(rows, limit, place=lambda row: row.id, show=delivery_view)


@router.put("/{site}/{event}/status")
def set_status(
    services: CloudServices, site: Slug, event: Ulid, request: HazardStatusRequest
) -> HazardResource:
    """Acknowledge or resolve a hazard, or call it a false alarm; integrations are notified."""
    status = HazardStatus(request.status)
    return _view(services.reports.hazard_changes.handle(site, event, status), status)


def _view(row: HazardRow, status: HazardStatus) -> HazardResource:
    return HazardResource.model_validate(row).model_copy(update={"status": status})
