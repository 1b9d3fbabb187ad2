"""The frame of all pages: navigation at the left, site group and time range at the top, one page below.

Pages change without a reload; the address holds everything that is chosen.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from nicegui import PageArguments, ui

from dashboards import theme
from dashboards.access.current import has_password, log_in_again
from dashboards.access.viewer import Viewer
from dashboards.components.banner import Banner
from dashboards.components.login_dialog import LoginDialog
from dashboards.components.section import Markup, heading
from dashboards.components.theme_switch import theme_switch
from dashboards.errors import DashboardError
from dashboards.markup import Html, element, join
from dashboards.page_view import PageView
from dashboards.reads import SharedReads
from dashboards.scope import RANGES, Scope
from dashboards.settings import MapSettings
from messaging.api.sites import SiteGroupResource

logger = logging.getLogger(__name__)

ALL_SITES = "All sites"
CHOOSE = "choose one in the navigation"
BREAKPOINT_PX = 900


@dataclass(frozen=True)
class PageEntry:
    """A page: the path of its address, with `{name}` for parameters, and the function that builds it."""

    path: str
    build: Callable[[PageView], Awaitable[None]]


@dataclass(frozen=True)
class NavigationEntry:
    """A line of the navigation: first segment of the address, text, Material icon."""

    segment: str
    text: str
    icon: str


Navigation = Mapping[str, Sequence[NavigationEntry]]
"""Headings with their lines."""


def build_shell(
    viewer: Viewer,
    reads: SharedReads,
    ground: MapSettings,
    *,
    pages: Sequence[PageEntry],
    navigation: Navigation,
) -> None:
    """The frame for one viewer, and in it the page of the address; `ground` is what maps lie on."""
    ui.colors(primary=theme.LIGHT.accent, positive=theme.LIGHT.good, negative=theme.LIGHT.bad)
    ui.html('<a class="skip" href="#main">Skip to the content</a>', sanitize=False)
    with ui.header().classes("top"):
        menu = ui.button(icon="menu").props('flat round dense aria-label="Navigation"').classes("menu")
        ui.html('<a class="brand" href="/">Blindspot</a>', sanitize=False)
        ui.space()
        choice = _ScopeChoice(viewer, reads)
        theme_switch()
        _account(viewer)
    drawer = ui.left_drawer(value=False).classes("side")
    drawer.props(f"show-if-above width=212 breakpoint={BREAKPOINT_PX}")  # open where it fits, without asking
    with drawer:
        links = Markup("navigation")
        ui.html('<p class="motto">Footage never leaves the site.</p>', sanitize=False)
    menu.on("click", js_handler=f"() => getElement({drawer.id}).toggle()")
    with ui.element("main").classes("page").props("id=main"):
        banner = Banner(LoginDialog(viewer.user.name, log_in_again if has_password() else None))

        def builder(entry: PageEntry) -> Callable[[PageArguments], Awaitable[None]]:
            async def build(arguments: PageArguments) -> None:
                query = dict(arguments.query_parameters)
                scope = Scope.of_query(query)
                links.show(navigation_markup(navigation, arguments.path, scope))
                choice.show(scope)
                banner.begin()
                parameters = arguments.path_parameters
                await entry.build(PageView(viewer, scope, reads, banner, ground, parameters, query))

            return build

        _Pages({entry.path: builder(entry) for entry in pages}).classes("content")


class _Pages(ui.sub_pages):
    """The page of the address, or a sentence where there is none or where it failed."""

    def _render_404(self) -> None:
        heading("No such page")
        Markup().show(element("p", f"There is no page {self._router.current_path}; {CHOOSE}.", cls="empty"))

    def _render_error(self, error: Exception) -> None:
        path = self._router.current_path
        logger.error("page %s failed", path, exc_info=error)
        heading("This page failed")
        sentence = (
            f"{path} cannot be shown; reload it, or {CHOOSE}. The log of blindspot-page has the reason."
        )
        Markup().show(element("p", sentence, cls="empty"))


def navigation_markup(navigation: Navigation, path: str, scope: Scope) -> Html:
    """The navigation; the line of the page at `path` is marked."""
    present = path.strip("/").partition("/")[0]
    groups = (
        join(
            element("h2", heading),
            element("ul", *(_line(entry, entry.segment == present, scope) for entry in entries)),
        )
        for heading, entries in navigation.items()
    )
    return element("nav", *groups, aria_label="Pages")


def _line(entry: NavigationEntry, present: bool, scope: Scope) -> Html:
    icon = element("i", entry.icon, cls="material-icons", aria_hidden="true")
    address = scope.link(entry.segment) if entry.segment else scope.link()
    return element(
        "li", element("a", icon, entry.text, href=address, aria_current="page" if present else None)
    )


class _ScopeChoice:
    """The two choices at the top; a change opens the same page in the new scope."""

    def __init__(self, viewer: Viewer, reads: SharedReads) -> None:
        self._viewer, self._reads = viewer, reads
        self._scope, self._shown = Scope(), False
        self._group = ui.select({"": ALL_SITES}, value="", on_change=self._changed)
        self._group.props('dense outlined options-dense aria-label="Site group"').classes("choice")
        ranges = {name: text for name, (text, _) in RANGES.items()}
        self._range = ui.select(ranges, value=self._scope.range, on_change=self._changed)
        self._range.props('dense outlined options-dense aria-label="Time range"').classes("choice")
        ui.timer(0.0, self._read_groups, once=True)

    def show(self, scope: Scope) -> None:
        """Show the scope of the page that was opened."""
        self._scope = scope
        self._shown = False  # both values, and the options, are set before a change counts as the viewer's
        if scope.group not in self._group.options:
            self._group.set_options({"": ALL_SITES, scope.group: scope.group})
        self._group.value, self._range.value = scope.group, scope.range
        self._shown = True

    def _changed(self) -> None:
        chosen = Scope(self._group.value, self._range.value)
        if self._shown and chosen != self._scope:
            ui.navigate.to(chosen.same_page(ui.context.client.sub_pages_router.current_path))

    async def _read_groups(self) -> None:
        try:
            found = await self._reads.all_items(self._viewer, "site-groups", SiteGroupResource)
        except DashboardError:
            return  # the page itself states that the cloud cannot be read
        names = sorted({self._scope.group, *(one.group for one in found)} - {""})
        self._group.set_options({"": ALL_SITES} | {name: name for name in names})


def _account(viewer: Viewer) -> None:
    with ui.button(icon="account_circle").props('flat round dense aria-label="Account"'), ui.menu():
        text = element(
            "div", element("b", viewer.user.name), element("span", f" {viewer.user.role}", cls="rest")
        )
        ui.html(text, sanitize=False).classes("account")
        ui.menu_item("Change password", lambda: ui.navigate.to("/password"))
        ui.menu_item("Log out", lambda: ui.navigate.to("/logout"))
