"""Settings: users, integrations with their deliveries, and the audit log."""

from typing import Any

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.section import card, heading
from dashboards.components.table import Column, Table
from dashboards.markup import Html
from dashboards.page_view import PageView
from messaging.access_resources import AuditResource, UserResource, UserRole

USER_COLUMNS = (
    Column("name", "name"),
    Column("role", "role"),
    Column("groups", "site groups", flex=2),
    Column("state", "state"),
)
AUDIT_COLUMNS = (
    Column("when", "when", "html", width=130),
    Column("user", "by"),
    Column("address", "from", width=140),
    Column("action", "what", flex=1.6),
    Column("object", "object", flex=1.6),
    Column("status", "answer", "number", width=100),
)
NO_USERS = Empty("No user has been added yet. This command adds one:", command="blindspot users add NAME")
NO_ENTRIES = Empty("Nothing has been changed yet. Every change that is asked for is entered here.")


async def page(view: PageView) -> None:
    """Users and the audit log, for admins."""
    heading("Settings")
    if not view.may(UserRole.ADMIN):
        with card("Settings", name="settings"):
            Empty("Users and the audit log are for the role admin.").element()
        return
    with card("Users", name="users-card"):
        users = Table(USER_COLUMNS, name="users", empty=NO_USERS)
    with card("Audit log", name="audit-card", aside="every change that was asked for, latest first"):
        audit = Table(AUDIT_COLUMNS, name="audit", empty=NO_ENTRIES)

    async def refresh() -> None:
        users.show([_user(user) for user in await view.all_items("users", UserResource, limit=500)])
        entries = await view.page("audit", AuditResource, limit=200)
        audit.show([_entry(entry, view.now()) for entry in entries.items])

    view.live(refresh)


def _user(user: UserResource) -> dict[str, Any]:
    return {
        "id": user.name,
        "name": user.name,
        "role": user.role.value,
        "groups": ", ".join(user.groups) or "all sites",
        "state": "disabled" if user.disabled else "enabled",
    }


def _entry(entry: AuditResource, now: float) -> dict[str, Any]:
    return {
        "id": str(entry.id),
        "when": Html(phrases.ago(entry.at_utc, now)),
        "when_value": entry.at_utc,
        "user": entry.user,
        "address": entry.address,
        "action": entry.action,
        "object": entry.object,
        "status": entry.status,
    }
