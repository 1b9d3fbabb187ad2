"""Settings: tabs with addresses of their own, of which each viewer sees those that the cloud permits."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from dashboards.components.empty import Empty
from dashboards.components.section import Markup, card, heading
from dashboards.markup import Html, element
from dashboards.page_view import PageView
from dashboards.pages.fleet import dead_letters
from dashboards.pages.settings import audit, integrations, tokens, users
from dashboards.scope import Scope
from messaging.access_resources import UserResource, UserRole


@dataclass(frozen=True)
class Tab:
    """A tab: its text, who may open it, what builds it. `limited`: also for users of some site groups."""

    text: str
    build: Callable[[PageView], Awaitable[None]]
    role: UserRole = UserRole.VIEWER
    limited: bool = False

    def open_to(self, user: UserResource) -> bool:
        """Whether the cloud answers this user's requests of the tab."""
        return user.role.includes(self.role) and (self.limited or not user.groups)


TABS: Mapping[str, Tab] = {
    "users": Tab("Users", users.build, UserRole.ADMIN),
    "tokens": Tab("API tokens", tokens.build, limited=True),
    "integrations": Tab("Integrations", integrations.build),
    "dead-letters": Tab("Dead letters", dead_letters.build, UserRole.OPERATOR),
    "audit": Tab("Audit log", audit.build, UserRole.ADMIN),
}
CLOSED = Empty("There is no such part of the settings, or your role or site groups do not include it.")


async def page(view: PageView) -> None:
    """The tab of the address; without one, the first that the viewer may open."""
    heading("Settings")
    offered = {name: tab for name, tab in TABS.items() if tab.open_to(view.viewer.user)}
    wanted = view.parameters.get("tab") or next(iter(offered))
    Markup("wide").show(tabs_markup(offered, wanted, view.scope))
    if wanted in offered:
        await offered[wanted].build(view)
        return
    with card("Settings", name="settings-closed"):
        CLOSED.element()


def tabs_markup(offered: Mapping[str, Tab], present: str, scope: Scope) -> Html:
    """The tabs as links; the present one is marked."""
    links = (
        element(
            "a",
            tab.text,
            href=scope.link("settings", name),
            aria_current="page" if name == present else None,
        )
        for name, tab in offered.items()
    )
    return element("nav", *links, cls="tabs", aria_label="Settings")
