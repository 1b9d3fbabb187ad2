"""Integrations: where hazards are sent, a test of each, and the log of deliveries."""

from typing import Any

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.section import card
from dashboards.components.table import Column, Table, action
from dashboards.errors import CloudRefused
from dashboards.markup import Html
from dashboards.page_view import PageView
from dashboards.pages import deliveries
from messaging.access_resources import UserRole
from messaging.integration_resources import DeliveryResource, IntegrationResource

SHOWN = 200
COLUMNS = (
    Column("name", "name", width=100),
    Column("kind", "kind", width=80),
    Column("target", "target", width=190),
    Column("waiting", "waiting", "number", width=76),
    Column("delivered", "delivered", "number", width=86),
    Column("dead", "dead", "number", width=66),
    Column("last", "last delivery", "html", width=86),
    Column("fault", "fault", width=150),
)
LOG_COLUMNS = (*deliveries.COLUMNS, Column("replay", "", "html", width=100))
EMPTY = Empty(
    "No integration is configured. Hazards reach other systems with the key integrations in cloud.yaml; "
    "this command shows the keys:",
    command="blindspot config schema",
)
NOTHING_SENT = Empty(
    "Nothing has been sent yet. Each change of a hazard that an integration selects is entered here; "
    "this command sends a test message:",
    command="blindspot integrations test NAME",
)


async def build(view: PageView) -> None:
    """The integrations and their deliveries."""
    operator = view.may(UserRole.OPERATOR)
    test_column = (Column("test", "", "html", width=80),) if operator else ()
    with card("Integrations", name="integrations-card"):
        table = Table((*COLUMNS, *test_column), name="integrations", empty=EMPTY)
    with card("Deliveries", name="deliveries-card", aside=f"the latest {SHOWN}"):
        log = Table(LOG_COLUMNS if operator else deliveries.COLUMNS, name="deliveries", empty=NOTHING_SENT)

    async def test(name: str) -> None:
        async def change() -> None:
            path = f"integrations/{name}/test"
            refuse_failed(await view.viewer.client.send("POST", path, DeliveryResource))

        await view.act(change, f"{name} took the test message.")

    async def replay(number: str) -> None:
        path = f"deliveries/{number}/replay"
        await view.act(
            lambda: view.viewer.client.send("POST", path, DeliveryResource),
            "The delivery waits to be sent again.",
        )

    async def refresh() -> None:
        now = view.now()
        found = await view.all_items("integrations", IntegrationResource)
        table.show([row(one, now) for one in found])
        sent = await view.page("deliveries", DeliveryResource, limit=SHOWN)
        log.show([log_row(one, now) for one in sent.items])

    table.on_action("test", test)
    log.on_action("replay", replay)
    view.live(refresh)


def row(one: IntegrationResource, now: float) -> dict[str, Any]:
    """A row of the table of integrations."""
    return {
        "id": one.name,
        "name": one.name,
        "kind": one.kind,
        "target": one.target,
        "waiting": one.waiting,
        "delivered": one.delivered,
        "dead": one.dead,
        "last": Html(phrases.ago(one.last_delivered_at, now)),
        "last_value": one.last_delivered_at,
        "fault": one.fault or "",
        "test": action("Test", f"Send a test message to {one.name}"),
    }


def log_row(delivery: DeliveryResource, now: float) -> dict[str, Any]:
    """A row of the log; a dead delivery can be replayed."""
    again = action("Replay", f"Replay delivery {delivery.id}") if delivery.state == "dead" else Html("")
    return {**deliveries.row(delivery, now), "replay": again}


def refuse_failed(sent: DeliveryResource) -> None:
    """Raise `CloudRefused` for a test message that did not arrive."""
    if sent.state != "delivered":
        raise CloudRefused(f"{sent.integration} did not take the test message: {sent.outcome or sent.state}")
