"""API routes of models: releases, rollouts with pause and roll back."""

from fastapi import APIRouter

from cloud.api.paging import Cursor, Limit, page_of, page_of_query, text_cursor
from cloud.api.services import Services
from cloud.api.views import model_view, rollout_view
from messaging.resources import (
    ModelResource,
    Page,
    RolloutRequest,
    RolloutResource,
)


def model_routes(services: Services) -> APIRouter:
    """The routes of models and rollouts."""
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


def _add_rollouts(router: APIRouter, services: Services) -> None:
    @router.get("/rollouts")
    def rollouts(cursor: Cursor = None, limit: Limit = 50) -> Page[RolloutResource]:
        """Rollouts, newest first."""
        found = services.releases.rollouts(after=text_cursor(cursor), limit=limit + 1)
        return page_of_query(found, limit, place=lambda one: one.id, show=rollout_view)

    @router.get("/rollouts/{rollout}")
    def rollout(rollout: str) -> RolloutResource:
        """One rollout with the state of its sites."""
        return rollout_view(services.releases.rollout(rollout))

    @router.post("/rollouts", status_code=201)
    def start(request: RolloutRequest) -> RolloutResource:
        """Roll a released model out: canary, partial, all."""
        return rollout_view(services.rollouts.start(request.digest))

    @router.post("/rollouts/{rollout}/pause")
    def pause(rollout: str) -> RolloutResource:
        """Send no more orders until the rollout is continued."""
        return rollout_view(services.rollouts.pause(rollout, True))

    @router.post("/rollouts/{rollout}/continue")
    def continue_(rollout: str) -> RolloutResource:
        """Continue a paused rollout."""
        return rollout_view(services.rollouts.pause(rollout, False))

    @router.post("/rollouts/{rollout}/rollback")
    def roll_back(rollout: str) -> RolloutResource:
        """Order every site back to the previous model."""
        return rollout_view(services.rollouts.roll_back(rollout))
