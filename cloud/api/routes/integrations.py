"""API routes of integrations and deliveries: list, test, replay."""

from typing import Annotated

from fastapi import APIRouter, Depends

from cloud.api.paging import Cursor, Limit, RowNumber, integer_cursor, page_of, page_of_query
from cloud.api.services import CloudServices
from cloud.api.views import delivery_view
from cloud.integrations.integrations import IntegrationState
from cloud.store.lists.filters import DeliveryFilter
from messaging.fields import Slug
from messaging.integration_resources import DeliveryResource, IntegrationResource
from messaging.resources import Page

router = APIRouter(tags=["integrations"])


@router.get("/integrations")
def integrations(
    services: CloudServices, cursor: Cursor = None, limit: Limit = 100
) -> Page[IntegrationResource]:
    """Configured integrations with the totals of their deliveries."""
    return page_of([_integration(one) for one in services.integrations.states()], cursor, limit)


@router.post("/integrations/{name}/test")
def test(services: CloudServices, name: Slug) -> DeliveryResource:
    """Send a test message now and log it; its state and outcome say whether it arrived."""
    return delivery_view(services.integrations.test(name))


@router.get("/deliveries")
def deliveries(
    services: CloudServices,
    wanted: Annotated[DeliveryFilter, Depends()],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DeliveryResource]:
    """The log of deliveries, latest first; those of state `dead` are the dead letters."""
    before = integer_cursor(cursor) or None
    rows = services.integrations.deliveries(wanted, before=before, limit=limit + 1)
    return page_of_query(rows, limit, place=lambda row: row.id, show=delivery_view)


@router.post("/deliveries/{delivery}/replay")
def replay(services: CloudServices, delivery: RowNumber) -> DeliveryResource:
    """Let a dead letter wait to be sent again, under the same id."""
    return delivery_view(services.integrations.replay(delivery))


def _integration(state: IntegrationState) -> IntegrationResource:
    return IntegrationResource(
        name=state.settings.name,
        kind=state.settings.kind,
        target=state.target,
        waiting=state.totals.waiting,
        delivered=state.totals.delivered,
        dead=state.totals.dead,
        last_delivered_at=state.totals.last_delivered_at,
        fault=state.fault,
    )
