"""API route of live events: one stream about everything that pages show."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from cloud.api.access.caller import Visible
from cloud.api.event_feed import wants
from cloud.api.services import CloudServices
from messaging.api.events import EventKind

router = APIRouter(tags=["events"])


@router.get("/events", response_class=StreamingResponse)
async def events(
    services: CloudServices,
    visible: Visible,
    kind: Annotated[list[EventKind] | None, Query(description="only these kinds; again for more")] = None,
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> StreamingResponse:
    """Server-sent events: that a hazard, site, failure mode, campaign, rollout or request has changed.

    A stream ends after ten minutes; with the id that it saw last a client goes on without a gap, or gets
    `reset` and reads everything again. Failure modes are those whose status is stored.
    """
    stream = services.feed.stream(wants(kind or (), visible), last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
