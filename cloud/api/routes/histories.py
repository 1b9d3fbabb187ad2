"""API routes of the past and of the whole: trends, the history of a failure mode, the map of prototypes."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from cloud.api.access.caller import Visible
from cloud.api.access.hidden_sites import Hidden, without_hidden
from cloud.api.computed.mode_history import mode_history
from cloud.api.computed.prototypes import prototype_map_view
from cloud.api.computed.trends import span_of, trends_view
from cloud.api.services import CloudServices
from messaging.api.mode_history import ModeHistoryResource
from messaging.api.prototype_map import PrototypeMapResource
from messaging.api.trends import TrendsResource
from messaging.fields import Slug
from messaging.reports import LAST_UTC

router = APIRouter()
Time = Annotated[int | None, Query(ge=0, le=LAST_UTC, description="seconds since 1970 (UTC)")]


@router.get("/overview/trends", tags=["fleet"])
def trends(
    services: CloudServices,
    visible: Visible,
    since: Time = None,
    until: Time = None,
    group: Slug | None = None,
    bucket: Literal["hour", "day"] | None = None,
) -> TrendsResource:
    """What happened in each hour or day, by default of the last week; of one group of sites, or of all."""
    span = span_of(since, until, bucket, now=services.clock())
    return trends_view(services, span, visible, group)


@router.get("/failure-modes/{mode}/history", tags=["failure modes"])
def failure_mode_history(
    services: CloudServices,
    mode: str,
    visible: Visible,
    hidden: Hidden,
    days: Annotated[int, Query(ge=1, le=400, description="how many days back from now")] = 90,
) -> ModeHistoryResource:
    """Evidence and estimated recall of each day, campaigns, changes of status, and where its boxes are."""
    return without_hidden(mode_history(services, services.register.mode(mode), days, visible), hidden)


@router.get("/prototypes", tags=["failure modes"])
def prototypes(services: CloudServices) -> PrototypeMapResource:
    """The fleet's prototypes on a flat map, each with its failure modes."""
    return prototype_map_view(services)
