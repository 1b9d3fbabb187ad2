"""Dead letters: messages of sites that the cloud refused, with the way back into intake."""

from typing import Any

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.section import card
from dashboards.components.table import Column, Table, action
from dashboards.markup import Html
from dashboards.page_view import PageView
from messaging.dead_letter_resources import DeadLetterResource, ReplayResource

SHOWN = 200
COLUMNS = (
    Column("received", "received", "html", width=130),
    Column("subject", "subject", flex=1.4),
    Column("reason", "why it was refused", flex=2.4),
    Column("size", "bytes", "number", width=110),
    Column("replay", "", "html", width=110),
)
EMPTY = Empty("No message has been refused. What the cloud cannot take is kept here with the reason.")


async def build(view: PageView) -> None:
    """The refused messages that were kept, latest first."""
    with card(
        "Dead letters", name="dead-letters-card", aside=f"the latest {SHOWN} messages refused at intake"
    ):
        table = Table(COLUMNS, name="dead-letters", empty=EMPTY)

    async def replay(letter: str) -> None:
        path = f"dead-letters/{letter}/replay"
        await view.act(
            lambda: view.viewer.client.send("POST", path, ReplayResource),
            "Intake has taken the message; it is no dead letter any more.",
        )

    async def refresh() -> None:
        found = await view.page("dead-letters", DeadLetterResource, limit=SHOWN)
        table.show([row(letter, view.now()) for letter in found.items])

    table.on_action("replay", replay)
    view.live(refresh)


def row(letter: DeadLetterResource, now: float) -> dict[str, Any]:
    """A row of the table."""
    return {
        "id": str(letter.id),
        "received": Html(phrases.ago(letter.received_at, now)),
        "received_value": letter.received_at,
        "subject": letter.subject,
        "reason": letter.reason,
        "size": letter.length_bytes,
        "replay": action("Replay", f"Replay dead letter {letter.id}"),
    }
