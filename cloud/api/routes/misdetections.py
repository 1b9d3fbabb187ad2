"""API routes of misdetections: the evidence of failure modes, one by one."""

from typing import Annotated

from fastapi import APIRouter, Depends

from cloud.api.access.caller import Visible
from cloud.api.paging import Cursor, Limit, page_of_query, pair_cursor
from cloud.api.services import CloudServices
from cloud.store.lists.filters import MisdetectionFilter
from messaging.api.evidence import MisdetectionResource
from messaging.resources import Page

router = APIRouter(prefix="/misdetections", tags=["failure modes"])


@router.get("")
def misdetections(
    services: CloudServices,
    visible: Visible,
    wanted: Annotated[MisdetectionFilter, Depends()],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[MisdetectionResource]:
    """Misdetections that sites reported, latest first; class, condition and kind name a failure mode."""
    after = pair_cursor(cursor, int, int)
    found = services.reports.lists.misdetections(wanted, visible, after=after, limit=limit + 1)
    return page_of_query(
        found,
        limit,
        place=lambda row: [row.minute_utc, row.report_id],
        show=MisdetectionResource.model_validate,
    )
