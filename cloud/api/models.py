"""API routes of models: releases, rollouts with pause and roll back, evaluations."""

from fastapi import APIRouter

from cloud.api.fleet import Cursor, Limit
from cloud.api.paging import encode_cursor, page_of, text_cursor
from cloud.api.views import evaluation_view, model_view, rollout_view
from cloud.campaigns.services import Services
from messaging.resources import (
    EvaluationResource,
    ModelResource,
    Page,
    RolloutRequest,
    RolloutResource,
)


def model_routes(services: Services) -> APIRouter:
    """Everything about models and rollouts."""
    router = APIRouter(tags=["models"])
    _add_models(router, services)
    _add_rollouts(router, services)
    return router


def _add_models(router: APIRouter, services: Services) -> None:
    @router.get("/models")
    def models(cursor: Cursor = None, limit: Limit = 100) -> Page[ModelResource]:
        """Released detectors, newest version first."""
        beats = services.reports.heartbeats()
        return page_of([model_view(r, beats) for r in services.releases.releases()], cursor, limit)

    @router.get("/models/{digest}")
    def model(digest: str) -> ModelResource:
        """One released detector by its digest or the first 8 letters of it."""
        return model_view(services.releases.release(digest), services.reports.heartbeats())

    @router.get("/evaluations")
    def evaluations(
        campaign: str | None = None, cursor: Cursor = None, limit: Limit = 500
    ) -> Page[EvaluationResource]:
        """Figures per model, set, class and condition."""
        found = services.campaign_rows.evaluations(campaign)
        return page_of([evaluation_view(one) for one in found], cursor, limit)


def _add_rollouts(router: APIRouter, services: Services) -> None:
    @router.get("/rollouts")
    def rollouts(cursor: Cursor = None, limit: Limit = 50) -> Page[RolloutResource]:
        """Rollouts, newest first."""
        found = services.releases.rollouts(after=text_cursor(cursor), limit=limit + 1)
        after = encode_cursor(found[limit - 1].id) if len(found) > limit else None
        return Page(items=tuple(rollout_view(one) for one in found[:limit]), next=after)

    @router.get("/rollouts/{rollout}")
    def rollout(rollout: str) -> RolloutResource:
        """One rollout with the state of its sites."""
        return rollout_view(services.releases.rollout(rollout))

    @router.post("/rollouts", status_code=201)
    def start(request: RolloutRequest) -> RolloutResource:
        """Roll a released model out: canary, share, all."""
        return rollout_view(services.rollouts.start(request.digest))

    @router.post("/rollouts/{rollout}/pause")
    def pause(rollout: str) -> RolloutResource:
        """Send no more orders until it goes on."""
        return rollout_view(services.rollouts.pause(rollout, True))

    @router.post("/rollouts/{rollout}/continue")
    def go_on(rollout: str) -> RolloutResource:
        """Go on with a paused rollout."""
        return rollout_view(services.rollouts.pause(rollout, False))

    @router.post("/rollouts/{rollout}/rollback")
    def roll_back(rollout: str) -> RolloutResource:
        """Order every site back to the previous model."""
        return rollout_view(services.rollouts.roll_back(rollout))
