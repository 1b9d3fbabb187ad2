"""Dead letters: messages of sites that the cloud refused, with the way back into intake."""

import json
from typing import Any

from dashboards import phrases
from dashboards.components.dialogs import shown_to_copy
from dashboards.components.empty import Empty
from dashboards.components.section import card
from dashboards.components.table import Column, Table, action
from dashboards.markup import Html
from dashboards.page_view import PageView
from messaging.api.dead_letters import DeadLetterContent, DeadLetterResource, ReplayResource

SHOWN = 200
COLUMNS = (
    Column("received", "received", "html", width=80),
    Column("subject", "subject", width=180),
    Column("reason", "why it was refused", width=260),
    Column("size", "bytes", "number", width=80),
    Column("read", "", "html", width=76),
    Column("replay", "", "html", width=84),
)
EMPTY = Empty(
    "No message has been refused. What the cloud cannot take is kept here with the reason; "
    "this command lists it too:",
    command="blindspot deadletters list",
)


async def build(view: PageView) -> None:
    """The refused messages of all sites that were kept, latest first."""
    show_dead_letters(view)


def show_dead_letters(view: PageView, site: str | None = None) -> None:
    """A card with the refused messages, of one site or of all, to be read and given to intake again."""
    aside = f"the latest {SHOWN} messages refused at intake"
    with card("Dead letters", name="dead-letters-card", aside=aside):
        table = Table(COLUMNS, name="dead-letters", empty=EMPTY)

    async def read(letter: str) -> None:
        await _read(view, letter)

    async def replay(letter: str) -> None:
        path = f"dead-letters/{letter}/replay"
        await view.act(
            lambda: view.viewer.client.send("POST", path, ReplayResource),
            "Intake has taken the message; it is no dead letter any more.",
        )

    async def refresh() -> None:
        found = await view.page("dead-letters", DeadLetterResource, limit=SHOWN, site=site)
        table.show([row(letter, view.now()) for letter in found.items])

    table.on_action("read", read)
    table.on_action("replay", replay)
    view.live(refresh)


async def _read(view: PageView, letter: str) -> None:
    path = f"dead-letters/{letter}"
    found = await view.answer(lambda: view.viewer.client.get(path, DeadLetterContent))
    if found is None:
        return
    await shown_to_copy(f"Dead letter {found.id}", f"{found.subject}: {found.reason}", content_text(found))


def content_text(letter: DeadLetterContent) -> str:
    """The message as JSON, or its bytes as hex digits if it cannot be decoded."""
    if letter.message is None:
        return letter.data_hex
    return json.dumps(letter.message, indent=1, ensure_ascii=False)


def row(letter: DeadLetterResource, now: float) -> dict[str, Any]:
    """A row of the table."""
    return {
        "id": str(letter.id),
        "received": Html(phrases.ago(letter.received_at, now)),
        "received_value": letter.received_at,
        "subject": letter.subject,
        "reason": letter.reason,
        "size": letter.length_bytes,
        "read": action("Read", f"Read dead letter {letter.id}"),
        "replay": action("Replay", f"Replay dead letter {letter.id}"),
    }
