"""API routes of verdict requests: a hazard was missed, and what its site makes of that."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from cloud.api.access.caller import Caller, Visible
from cloud.api.paging import Cursor, Limit, integer_cursor, page_of_query
from cloud.api.services import CloudServices
from cloud.store.history.request_store import VerdictRequestRow
from cloud.store.lists.filters import RequestFilter
from messaging.api.verdict_requests import MissedHazard, RequestState, VerdictRequestResource
from messaging.fields import Slug
from messaging.resources import Page

router = APIRouter(tags=["fleet"])

Number = Annotated[int, Path(ge=1, lt=2**31)]
MEANINGS: dict[RequestState, str] = {
    "sent": "The site answers within seconds.",
    "confirmed": "Found, and missed by its model: a misdetection is on its way.",
    "detected": "The model in service reported it then, so it was not missed.",
    "not_found": "Neither the teacher nor the model finds it in the kept frames.",
    "no_teacher": "The model shows no trace of it, and there is no teacher to ask.",
    "not_kept": "The site keeps no frame of that time any more.",
    "not_known": "The site has no such camera, or its model no such class.",
    "expired": "No answer in time: the site was offline, or its version is too old.",
}


@router.post("/sites/{site}/verdict-requests", status_code=202)
def ask(services: CloudServices, caller: Caller, site: Slug, missed: MissedHazard) -> VerdictRequestResource:
    """Report to a site that its detector missed a hazard; it searches the frames that it keeps."""
    asked = services.requests.ask(
        site, missed.camera, missed.class_name, at_utc=missed.at_utc, by=caller.name
    )
    return _view(asked, services.clock())


@router.get("/verdict-requests")
def requests(
    services: CloudServices,
    visible: Visible,
    wanted: Annotated[RequestFilter, Depends()],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[VerdictRequestResource]:
    """Verdict requests with their states, latest first."""
    found = services.histories.requests.requests(
        wanted, visible, before=integer_cursor(cursor) or None, limit=limit + 1
    )
    now = services.clock()
    return page_of_query(found, limit, place=lambda row: row.number, show=lambda row: _view(row, now))


@router.get("/sites/{site}/verdict-requests/{number}")
def request(services: CloudServices, site: Slug, number: Number) -> VerdictRequestResource:
    """One verdict request; repeat until its state is not `sent`."""
    return _view(services.histories.requests.get(site, number), services.clock())


def _view(row: VerdictRequestRow, now: float) -> VerdictRequestResource:
    state: RequestState = "expired" if now >= row.expires_at else "sent"
    if row.outcome is not None:
        state = row.outcome.value
    return VerdictRequestResource.model_validate({**row.values(), "state": state, "meaning": MEANINGS[state]})
