"""Users: add one, change role, site groups and password, disable."""

import re
from typing import Any

from nicegui import ui

from dashboards.components.dialogs import answer_of
from dashboards.components.empty import Empty
from dashboards.components.pills import pill
from dashboards.components.section import card
from dashboards.components.table import Column, Table, action
from dashboards.markup import element
from dashboards.page_view import PageView
from dashboards.pages.settings.group_field import group_field, groups_of, known_groups
from messaging.access_resources import PASSWORD_MIN, NewUser, UserChange, UserResource, UserRole
from messaging.fields import SLUG_PATTERN, SLUG_WORDS

COLUMNS = (
    Column("name", "name", width=110),
    Column("role", "role", width=90),
    Column("groups", "site groups", width=180),
    Column("state", "state", "html", width=100),
    Column("change", "", "html", width=96),
)
EMPTY = Empty(
    "No user has been added yet. This command adds one:", command="blindspot users add NAME --role viewer"
)
ROLES = [role.value for role in UserRole]
NEW_PASSWORD = "New password; empty leaves the present one"


async def build(view: PageView) -> None:
    """All users."""
    with ui.row().classes("actions"):
        ui.button("Add a user", icon="add", on_click=lambda: _add(view)).props("unelevated no-caps")
    with card("Users", name="users-card"):
        table = Table(COLUMNS, name="users", empty=EMPTY)
    known: dict[str, UserResource] = {}

    async def refresh() -> None:
        found = await view.all_items("users", UserResource)
        known.clear()
        known.update((user.name, user) for user in found)
        table.show([row(user) for user in found])

    async def change(name: str) -> None:
        if name in known:
            await _change(view, known[name])

    table.on_action("change", change)
    view.live(refresh)


def row(user: UserResource) -> dict[str, Any]:
    """A row of the table."""
    return {
        "id": user.name,
        "name": user.name,
        "role": user.role.value,
        "groups": ", ".join(user.groups) or "all sites",
        "state": pill("disabled", "plain") if user.disabled else pill("enabled", "good"),
        "state_value": user.disabled,
        "change": action("Change", f"Change {user.name}"),
    }


def name_fault(name: str) -> str | None:
    """Why this is no name of a user; None if it is one."""
    return None if re.fullmatch(SLUG_PATTERN, name) else f"use {SLUG_WORDS}"


def new_password_fault(password: str | None) -> str | None:
    """Why this is no new password of a user; empty leaves the present one."""
    return password_fault(password) if password else None


def password_fault(password: str) -> str | None:
    """Why this is no password for a new user; the cloud has the last word."""
    return None if len(password) >= PASSWORD_MIN else f"use at least {PASSWORD_MIN} characters"


async def _add(view: PageView) -> None:
    known = await known_groups(view)
    if known is None:
        return
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        dialog.props('aria-label="Add a user"')
        ui.html(element("h2", "Add a user"), sanitize=False)
        name = ui.input("Name", validation=name_fault).props("autofocus outlined dense autocomplete=off")
        password = ui.input("First password", password=True, validation=password_fault)
        password.props("outlined dense autocomplete=new-password")
        role = ui.select(ROLES, value=ROLES[0], label="Role").props("outlined dense")
        groups = group_field(known)

        def submit() -> None:
            if all([name.validate(), password.validate(), groups.validate()]):
                given = {"name": name.value, "password": password.value, "role": role.value}
                dialog.submit(NewUser.model_validate({**given, "groups": groups_of(groups.value or "")}))

        with ui.row().classes("choices"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button("Add", on_click=submit).props("unelevated no-caps")
    new = await answer_of(dialog)
    if new is not None:
        await view.act(
            lambda: view.viewer.client.send("POST", "users", UserResource, new), f"{new.name} is added."
        )


async def _change(view: PageView, user: UserResource) -> None:
    known = await known_groups(view)
    if known is None:
        return
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        dialog.props('aria-label="Change a user"')
        ui.html(element("h2", f"Change {user.name}"), sanitize=False)
        role = ui.select(ROLES, value=user.role.value, label="Role").props("outlined dense")
        groups = group_field(known, user.groups)
        password = ui.input(NEW_PASSWORD, password=True, validation=new_password_fault)
        password.props("outlined dense autocomplete=new-password")
        disabled = ui.checkbox("Disabled: the user's sessions and tokens are refused", value=user.disabled)

        def submit() -> None:
            if all([groups.validate(), password.validate()]):
                dialog.submit(
                    UserChange(
                        role=UserRole(role.value),
                        groups=groups_of(groups.value or ""),
                        disabled=disabled.value,
                        password=password.value or None,
                    )
                )

        with ui.row().classes("choices"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button("Save", on_click=submit).props("unelevated no-caps")
    change = await answer_of(dialog)
    if change is not None:
        path = f"users/{user.name}"
        await view.act(
            lambda: view.viewer.client.send("PATCH", path, UserResource, change), f"{user.name} is changed."
        )
