"""API routes of campaigns: plan, start, list, show, approve, cancel, resume, live events, images."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import FileResponse, StreamingResponse

from cloud.api.access.caller import Caller, Visible, VisibleSites, is_visible
from cloud.api.access.hidden_sites import Hidden, HiddenSites, without_hidden
from cloud.api.computed.campaign_plan import plan_view
from cloud.api.computed.gallery import duplicates_page, gallery_image
from cloud.api.paging import Cursor, Limit, RowNumber, integer_cursor, page_of_query, text_cursor
from cloud.api.services import CloudServices, Services
from cloud.api.views import campaign_view, comparison_views
from cloud.campaigns.planning import plan_campaign
from cloud.campaigns.requirements import refuse_unmet
from cloud.errors import BadRequest, NotKnown
from cloud.store.lists.filters import CampaignFilter, ImageFilter
from cloud.store.records import SHADOW_OF, Campaign, CampaignPlan
from messaging.api.campaign_plans import CampaignPlanResource
from messaging.api.gallery import GalleryImage
from messaging.resources import (
    IDEMPOTENCY_HEADER,
    CampaignRequest,
    CampaignResource,
    ComparisonResource,
    Page,
    StageResource,
)

IdempotencyKey = Annotated[str | None, Header(alias=IDEMPOTENCY_HEADER, max_length=100)]
_EVENT_POLL_S = 0.5


router = APIRouter(tags=["campaigns"])


def view_campaign(services: Services, campaign: Campaign) -> CampaignResource:
    """The resource of a campaign."""
    rows = services.campaign_rows
    return campaign_view(campaign, rows.stages(campaign.id), rows.image_counts(campaign.id), services.clock())


@router.get("/campaigns")
def campaigns(
    services: CloudServices,
    wanted: Annotated[CampaignFilter, Depends()],
    hidden: Hidden,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[CampaignResource]:
    """Campaigns, newest first."""
    lists, now = services.campaign_rows.lists, services.clock()
    found = lists.campaigns(wanted, after=text_cursor(cursor), limit=limit + 1)
    shown = [campaign.id for campaign in found[:limit]]
    stages, counts = lists.stages(shown), lists.image_counts(shown)
    return page_of_query(
        found,
        limit,
        place=lambda one: one.id,
        show=lambda one: without_hidden(
            campaign_view(one, stages.get(one.id, ()), counts.get(one.id, {}), now), hidden
        ),
    )


@router.get("/campaigns/{campaign}")
def campaign(services: CloudServices, campaign: str, hidden: Hidden) -> CampaignResource:
    """One campaign with its stages."""
    return without_hidden(view_campaign(services, services.campaign_rows.get(campaign)), hidden)


@router.get("/campaigns/{campaign}/comparison")
def comparison(services: CloudServices, campaign: str, visible: Visible) -> Page[ComparisonResource]:
    """Metrics of incumbent and candidate, class by condition; shadow runs of the visible sites."""
    found = services.campaign_rows.get(campaign)
    view = view_campaign(services, found)
    cells = comparison_views(found, view.candidate_digest, services.campaign_rows.evaluations(campaign))
    return Page(items=tuple(cell for cell in cells if _is_visible(cell.role, visible)))


@router.get("/campaigns/{campaign}/events", response_class=StreamingResponse)
def events(services: CloudServices, campaign: str, hidden: Hidden) -> StreamingResponse:
    """Server-sent events: the campaign whenever it changes, until it has ended."""
    services.campaign_rows.get(campaign)
    return StreamingResponse(_events(services, campaign, hidden), media_type="text/event-stream")


def _is_visible(role: str, visible: VisibleSites) -> bool:
    return not role.startswith(SHADOW_OF) or is_visible(role.removeprefix(SHADOW_OF), visible)


async def _events(services: Services, campaign: str, hidden: HiddenSites) -> AsyncIterator[str]:
    before = ""
    while True:
        found = await asyncio.to_thread(services.campaign_rows.get, campaign)
        view = without_hidden(await asyncio.to_thread(view_campaign, services, found), hidden)
        now = view.model_dump_json()
        steady = view.model_copy(update={"stages": tuple(_without_time_left(s) for s in view.stages)})
        mark = steady.model_dump_json()
        if mark != before:
            yield f"event: campaign\ndata: {now}\n\n"
            before = mark
        if found.ended_at is not None:
            return
        await asyncio.sleep(_EVENT_POLL_S)


def _without_time_left(stage: StageResource) -> StageResource:
    """The stage without its time left, which changes at every reading and alone is no event."""
    return stage.model_copy(update={"seconds_left": None})


def _planned(services: Services, request: CampaignRequest) -> CampaignPlan:
    return plan_campaign(request, services.register, services.campaign_rows, services.settings.synthesis)


@router.post("/campaigns/plan")
def plan(services: CloudServices, request: CampaignRequest, visible: Visible) -> CampaignPlanResource:
    """What a campaign would do; starts nothing."""
    return plan_view(services, _planned(services, request), visible)


@router.post("/campaigns", status_code=201)
def start(
    services: CloudServices,
    caller: Caller,
    request: CampaignRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> CampaignResource:
    """Start a campaign; the same idempotency key again gives the same campaign."""
    known = services.campaign_rows.by_idempotency_key(idempotency_key)
    if known is not None:
        response.status_code = 200
        return view_campaign(services, known)
    plan = _planned(services, request)
    refuse_unmet(services.requirements(plan))
    started = services.campaigns.start(plan, started_by=caller.name, idempotency_key=idempotency_key)
    return view_campaign(services, started)


@router.post("/campaigns/{campaign}/approve")
def approve(services: CloudServices, campaign: str) -> CampaignResource:
    """Start a campaign that waits for approval."""
    return view_campaign(services, services.campaigns.approve(campaign))


@router.post("/campaigns/{campaign}/cancel")
def cancel(services: CloudServices, campaign: str) -> CampaignResource:
    """Stop a campaign soon; finished stages stay."""
    return view_campaign(services, services.campaigns.cancel(campaign))


@router.post("/campaigns/{campaign}/resume")
def resume(services: CloudServices, campaign: str) -> CampaignResource:
    """Continue after the last finished stage."""
    return view_campaign(services, services.campaigns.resume(campaign))


@router.get("/campaigns/{campaign}/images")
def images(
    services: CloudServices,
    campaign: str,
    wanted: Annotated[ImageFilter, Depends()],
    duplicates: bool = False,
    newest: bool = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[GalleryImage]:
    """Synthetic images in the order in which they were generated, with labels, views and reviews.

    `newest`: in the opposite order. `duplicates`: those that have near duplicates alone, group after group.
    """
    services.campaign_rows.get(campaign)
    if duplicates and newest:
        raise BadRequest("near duplicates are listed group after group; leave out `duplicates` or `newest`")
    if duplicates:
        return duplicates_page(services, campaign, wanted, cursor=cursor, limit=limit)
    reviews = services.histories.reviews.of_campaign(campaign)
    near = services.duplicates.of(services.campaign_rows, campaign)
    found = services.campaign_rows.lists.images(
        campaign, wanted, after=integer_cursor(cursor), newest=newest, limit=limit + 1
    )
    return page_of_query(
        found,
        limit,
        place=lambda image: image.id,
        show=lambda image: gallery_image(services, image, reviews.get(image.name), near),
    )


@router.get("/campaigns/{campaign}/images/{image}/thumbnail", response_class=FileResponse)
def thumbnail(services: CloudServices, campaign: str, image: RowNumber) -> FileResponse:
    """The thumbnail of one synthetic image (JPEG)."""
    found = services.campaign_rows.images(campaign, after=image - 1, limit=1)
    root = services.settings.folder.campaigns.resolve()
    if not found or found[0].id != image or not found[0].thumbnail:
        raise NotKnown(f"campaign {campaign[:40]!r} has no thumbnail {image}")
    path = (services.settings.data / found[0].thumbnail).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise NotKnown(f"the thumbnail of image {image} is not in the campaign's folder any more")
    return FileResponse(path, media_type="image/jpeg")
