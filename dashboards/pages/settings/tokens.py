"""API tokens: make one with an end, see its secret once, revoke it."""

from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.dialogs import answer_of, confirmed, shown_to_copy
from dashboards.components.empty import Empty
from dashboards.components.section import card
from dashboards.components.table import Column, Table, action
from dashboards.markup import Html, element
from dashboards.page_view import PageView
from messaging.access_resources import TOKEN_DAYS_MAX, NewToken, TokenResource, UserResource, UserRole

COLUMNS = (
    Column("label", "label", width=150),
    Column("user", "user", width=100),
    Column("role", "role", width=90),
    Column("made", "made", "html", width=86),
    Column("ends", "ends", "html", width=86),
    Column("used", "last used", "html", width=86),
    Column("revoke", "", "html", width=96),
)
EMPTY = Empty(
    "There is no API token yet. A program reads the API with one, in the header Authorization. "
    "This command makes one:",
    command="blindspot tokens add USER LABEL",
)
DAYS = {30: "30 days", 90: "90 days", 365: "1 year", TOKEN_DAYS_MAX: "10 years"}
ONCE = "The secret is shown this once. Keep it where the program that needs it, and nobody else, can read it."


async def build(view: PageView) -> None:
    """The tokens that the viewer may list: an admin's list has those of all users."""
    with ui.row().classes("actions"):
        make = ui.button("Make a token", icon="add").props("unelevated no-caps")
    with card("API tokens", name="tokens-card", aside="of all users" if view.may(UserRole.ADMIN) else ""):
        table = Table(COLUMNS, name="tokens", empty=EMPTY)
    known: dict[str, TokenResource] = {}

    async def refresh() -> None:
        found = await view.viewer.client.all_items("tokens", TokenResource)
        known.clear()
        known.update((token.id, token) for token in found)
        table.show([row(token, view.now()) for token in found])

    async def revoke(token: str) -> None:
        label = known[token].label if token in known else token
        sentence = f"Programs that use {label} are refused from now on. This cannot be undone."
        if await confirmed("Revoke this token?", sentence, "Revoke"):
            await view.act(
                lambda: view.viewer.client.change("DELETE", f"tokens/{token}"), f"{label} is revoked."
            )

    make.on_click(lambda: _make(view))
    table.on_action("revoke", revoke)
    view.live(refresh)


def row(token: TokenResource, now: float) -> dict[str, Any]:
    """A row of the table."""
    return {
        "id": token.id,
        "label": token.label,
        "user": token.user,
        "role": token.role.value,
        "made": Html(phrases.ago(token.made_at, now)),
        "made_value": token.made_at,
        "ends": ends_text(token, now),
        "ends_value": token.expires_at,
        "used": Html(phrases.ago(token.used_at, now)),
        "used_value": token.used_at,
        "revoke": action("Revoke", f"Revoke {token.label}"),
    }


def ends_text(token: TokenResource, now: float) -> Html:
    """How long a token is still good."""
    left = token.expires_at - now
    return Html("ended") if left <= 0 else Html(f"in {phrases.duration(left)}")


async def _make(view: PageView) -> None:
    roles = [role.value for role in UserRole if view.viewer.user.role.includes(role)]
    owners = await view.answer(lambda: _owners(view))
    if owners is None:
        return
    if not owners:
        ui.notify("A token belongs to a user; add a user first.", type="negative")
        return
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        dialog.props('aria-label="Make an API token"')
        ui.html(element("h2", "Make an API token"), sanitize=False)
        label = ui.input("What it is for", validation=_label_fault).props(
            "autofocus outlined dense maxlength=80"
        )
        days = ui.select(DAYS, value=90, label="Good for").props("outlined dense")
        role = ui.select(roles, value=roles[0], label="Role").props("outlined dense")

        own = view.viewer.user.name
        owner = ui.select(owners, value=own if own in owners else owners[0], label="Of the user")
        owner.props("outlined dense").set_visibility(owners != [own])

        def submit() -> None:
            if label.validate():
                chosen = UserRole(role.value)
                name = label.value.strip()
                dialog.submit(NewToken(label=name, days=days.value, role=chosen, user=owner.value))

        with ui.row().classes("choices"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button("Make", on_click=submit).props("unelevated no-caps")
    new = await answer_of(dialog)
    made: list[TokenResource] = []

    async def change() -> None:
        made.append(await view.viewer.client.send("POST", "tokens", TokenResource, new))

    if new is not None and await view.act(change, "The token is made."):
        await shown_to_copy("API token", ONCE, made[0].token or "")


async def _owners(view: PageView) -> list[str]:
    """Whose tokens the viewer may make: an admin those of all users, who needs not be one of them."""
    if not view.may(UserRole.ADMIN):
        return [view.viewer.user.name]
    found = await view.all_items("users", UserResource)
    return [user.name for user in found if not user.disabled]


def _label_fault(label: str) -> str | None:
    return None if label.strip() else "state what the token is for, so that it can be recognised later"
