"""API routes of models: releases, teachers, rollouts with pause, approval, stop and roll back."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from cloud.api.access.caller import Caller, Visible, VisibleSites, of_visible_sites
from cloud.api.access.hidden_sites import Hidden, without_hidden
from cloud.api.card_markdown import card_markdown
from cloud.api.computed.verification import verification
from cloud.api.model_card import model_card
from cloud.api.paging import Cursor, Limit, decode_cursor, page_of_query, pair_cursor
from cloud.api.services import CloudServices, Services
from cloud.api.views import model_view, rollout_view, whole_rollout_view
from cloud.dry_runs import before_change
from cloud.errors import BadRequest
from cloud.store.lists.filters import ModelFilter
from cloud.store.records import Rollout
from messaging.card_resources import ModelCard
from messaging.release_resources import (
    ModelResource,
    RolloutApproval,
    RolloutRequest,
    RolloutResource,
    TicketRequest,
    TicketResource,
    VerificationResource,
)
from messaging.resources import Page

TEACHERS = "/teachers"
WHICHEVER_WAITS = RolloutApproval()

_MARKDOWN: dict[int | str, dict[str, Any]] = {200: {"content": {"text/markdown": {}}}}
_BUNDLE = {
    "requestBody": {
        "description": "a detector bundle (ONNX)",
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_DAY_S = 86_400

router = APIRouter(tags=["models"])


@router.get("/models")
def models(
    services: CloudServices,
    visible: Visible,
    wanted: Annotated[ModelFilter, Depends()],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ModelResource]:
    """Released detectors and teachers, newest version first."""
    found = services.releases.page(wanted, after=_release_place(cursor), limit=limit + 1)
    running = services.reports.fleet.running(visible)
    return page_of_query(
        found,
        limit,
        place=lambda one: [one.version, one.channel, one.digest],
        show=lambda one: model_view(one, running),
    )


def _release_place(cursor: str | None) -> tuple[int, str, str] | None:
    match decode_cursor(cursor):
        case None:
            return None
        case [int(version), str(channel), str(digest)] if 0 <= version < 2**53:
            return version, channel, digest
    raise BadRequest("this cursor belongs to another list; begin without a cursor")


@router.get("/models/{digest}")
def model(services: CloudServices, digest: str, visible: Visible) -> ModelResource:
    """One released model by its digest or the first 8 letters of it; its ticket for who may see all sites."""
    shown = model_view(services.releases.release(digest), services.reports.fleet.running(visible))
    found = services.tickets.ticket(shown.digest) if visible is None else None
    return shown.model_copy(update={"ticket": found and TicketResource.model_validate(found)})


@router.get("/models/{digest}/card")
def card(services: CloudServices, digest: str, visible: Visible, hidden: Hidden) -> ModelCard:
    """The algorithm-register card of a release."""
    return without_hidden(of_visible_sites(model_card(services, digest), visible), hidden)


@router.get("/models/{digest}/card.md", response_class=Response, responses=_MARKDOWN)
def card_for_people(services: CloudServices, digest: str, visible: Visible, hidden: Hidden) -> Response:
    """The same card as Markdown."""
    return Response(card_markdown(card(services, digest, visible, hidden)), media_type="text/markdown")


@router.get("/models/{digest}/verification")
def verify(services: CloudServices, digest: str) -> VerificationResource:
    """Verify the signatures of a release now, as a site does, and the bundle that is stored here."""
    release = services.releases.release(digest)
    return verification(services.settings.folder, release.digest, services.clock())


@router.post("/models/{digest}/ticket", status_code=201)
def ticket(services: CloudServices, digest: str, request: TicketRequest) -> TicketResource:
    """Sign a downgrade ticket: sites may install this release although they have run a newer one."""
    release = services.releases.release(digest)
    before_change()
    expires_at_utc = int(services.clock() + request.days * _DAY_S)
    signed = services.tickets.sign_ticket(release.digest, request.sites, expires_at_utc)
    return TicketResource.model_validate(signed)


@router.delete("/models/{digest}/ticket")
def withdraw_ticket(services: CloudServices, digest: str) -> TicketResource:
    """Withdraw the downgrade ticket; a site that has used it keeps its model."""
    release = services.releases.release(digest)
    if services.tickets.ticket(release.digest) is not None:
        before_change()
    return TicketResource.model_validate(services.tickets.withdraw_ticket(release.digest))


@router.post(TEACHERS, status_code=201, openapi_extra=_BUNDLE)
async def publish_teacher(services: CloudServices, request: Request, caller: Caller) -> ModelResource:
    """Sign the bundle in the body as the fleet's teacher and roll it out."""
    release = await run_in_threadpool(services.teachers.publish, await request.body(), caller.name)
    return model_view(release, ())


@router.get("/rollouts")
def rollouts(
    services: CloudServices,
    visible: Visible,
    hidden: Hidden,
    state: Annotated[str | None, Query(max_length=80)] = None,
    campaign: Annotated[str | None, Query(max_length=40)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[RolloutResource]:
    """Rollouts, newest first; `state` is a phase of a rollout."""
    found = services.releases.rollouts(
        phase=state, campaign=campaign, after=pair_cursor(cursor, int, str), limit=limit + 1
    )
    return page_of_query(
        found,
        limit,
        place=lambda one: [one.created_at, one.id],
        show=lambda one: without_hidden(rollout_view(one, visible), hidden),
    )


@router.get("/rollouts/{rollout}")
def rollout(services: CloudServices, rollout: str, visible: Visible, hidden: Hidden) -> RolloutResource:
    """One rollout with its history, the state of its sites, and what their guards measured."""
    return without_hidden(_shown(services, services.releases.rollout(rollout), visible), hidden)


@router.post("/rollouts", status_code=201)
def start(services: CloudServices, request: RolloutRequest, caller: Caller) -> RolloutResource:
    """Roll a released model out: the canary, then a tenth, half and all of the sites."""
    return _shown(services, services.rollouts.start(request.digest, caller.name))


@router.post("/rollouts/{rollout}/pause")
def pause(services: CloudServices, rollout: str, caller: Caller) -> RolloutResource:
    """Order no further group until the rollout is resumed."""
    return _shown(services, services.rollouts.pause(rollout, True, caller.name))


@router.post("/rollouts/{rollout}/resume")
def resume(services: CloudServices, rollout: str, caller: Caller) -> RolloutResource:
    """Resume a paused rollout."""
    return _shown(services, services.rollouts.pause(rollout, False, caller.name))


@router.post("/rollouts/{rollout}/approve")
def approve(
    services: CloudServices, rollout: str, caller: Caller, request: RolloutApproval = WHICHEVER_WAITS
) -> RolloutResource:
    """Order the group that waits for approval."""
    return _shown(services, services.rollouts.approve(rollout, caller.name, request.group))


@router.post("/rollouts/{rollout}/stop")
def stop(services: CloudServices, rollout: str, caller: Caller) -> RolloutResource:
    """End a rollout at once: no site changes its model any more."""
    return _shown(services, services.rollouts.stop(rollout, caller.name))


@router.post("/rollouts/{rollout}/rollback")
def roll_back(services: CloudServices, rollout: str, caller: Caller) -> RolloutResource:
    """Order every site back to the previous model."""
    return _shown(services, services.rollouts.roll_back(rollout, caller.name))


def _shown(services: Services, found: Rollout, visible: VisibleSites = None) -> RolloutResource:
    began, until = found.created_at // 60 * 60, services.releases.next_rollout_at(found)
    guards = services.reports.guard_reports(found.digest, began, until)
    return whole_rollout_view(found, services.releases.rollout_events(found.id), visible, guards)
