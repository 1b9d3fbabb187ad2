"""API routes of models: releases, teachers, rollouts with pause and roll back."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from cloud.api.paging import Cursor, Limit, page_of, page_of_query, text_cursor
from cloud.api.services import Services
from cloud.api.views import model_view, rollout_view
from cloud.errors import BadRequest
from messaging.resources import (
    ModelResource,
    Page,
    RolloutRequest,
    RolloutResource,
)
from messaging.trust.manifest import MAX_BUNDLE_BYTES


def model_routes(services: Services) -> APIRouter:
    """The routes of models and rollouts."""
    router = APIRouter(tags=["models"])
    _add_models(router, services)
    _add_rollouts(router, services)
    return router


def _add_models(router: APIRouter, services: Services) -> None:
    @router.get("/models")
    def models(cursor: Cursor = None, limit: Limit = 100) -> Page[ModelResource]:
        """Released detectors and teachers, newest version first."""
        beats = services.reports.heartbeats()
        return page_of([model_view(r, beats) for r in services.releases.releases()], cursor, limit)

    @router.get("/models/{digest}")
    def model(digest: str) -> ModelResource:
        """One released model by its digest or the first 8 letters of it."""
        return model_view(services.releases.release(digest), services.reports.heartbeats())

    @router.post("/teachers", status_code=201)
    async def publish_teacher(request: Request) -> ModelResource:
        """Sign the bundle in the body as the fleet's teacher and roll it out."""
        release = await run_in_threadpool(services.teachers.publish, await _body(request))
        return model_view(release, ())


async def _body(request: Request) -> bytes:
    """The body's bytes. Raises `BadRequest` for more than a bundle may have."""
    parts, length = list[bytes](), 0
    async for part in request.stream():
        length += len(part)
        if length > MAX_BUNDLE_BYTES:
            raise BadRequest(f"the bundle has more than {MAX_BUNDLE_BYTES} bytes; give a smaller network")
        parts.append(part)
    return b"".join(parts)


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
