"""What a page is given: the viewer, the scope, the parameters of its address; reading, refreshing, acting.

A page is an asynchronous function of a `PageView`. It makes its elements and hands `live` a function that
reads the cloud and shows what it read; that function runs at once, at every change that the cloud states, and
at least every `REFRESH_S` while the page is open. An error of the cloud is shown once, above the page; what
was shown before stays.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nicegui import ui
from pydantic import BaseModel

from dashboards.access.current import current_viewer
from dashboards.access.guard import login_address
from dashboards.access.viewer import Viewer
from dashboards.components.banner import Banner
from dashboards.errors import DashboardError, NotInThisState, NotThere, SessionEnded
from dashboards.markup import Html, element
from dashboards.reads import SharedReads
from dashboards.scope import Scope
from dashboards.settings import MapSettings
from messaging.access_resources import UserRole
from messaging.resources import Page

R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")
REFRESH_S = 2.0
BETWEEN_S = 0.05
MISSING_EVERY_S = 10.0
"""How often it is asked whether an object that the cloud does not have is there by now."""
Refresh = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class PageView:
    """One page of one viewer. `ground` is what maps lie on.

    `parameters` are those of the path, `query` those after it.
    """

    viewer: Viewer
    scope: Scope
    reads: SharedReads
    banner: Banner
    ground: MapSettings
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    async def get(self, path: str, model: type[R], **query: Any) -> R:
        """One resource, shared with other viewers. Raises `DashboardError`."""
        return await self.reads.get(self.viewer, path, model, **query)

    async def page(self, path: str, item: type[R], **query: Any) -> Page[R]:
        """The first page of a list. Raises `DashboardError`."""
        return await self.reads.page(self.viewer, path, item, **query)

    async def first_items(self, path: str, item: type[R], most: int, **query: Any) -> Page[R]:
        """The first `most` items of a list; `next` states whether there are more. Raises `DashboardError`."""
        return await self.reads.first_items(self.viewer, path, item, most, **query)

    async def all_items(self, path: str, item: type[R], **query: Any) -> tuple[R, ...]:
        """All items of a list. Raises `DashboardError`."""
        return await self.reads.all_items(self.viewer, path, item, **query)

    def now(self) -> float:
        """The time of this server, in seconds since 1970; the browser's clock is never used."""
        return time.time()

    def may(self, role: UserRole, *, one_site: bool = False) -> bool:
        """Whether the cloud will permit the viewer a change that needs a role, so that a page may offer it.

        `one_site`: the change concerns one site alone; viewers who are limited to site groups may make
        no other.
        """
        return self.viewer.has_role(role) and (one_site or not self.viewer.user.groups)

    def go(self, *parts: str, **query: str | None) -> None:
        """Open another page in the same scope."""
        ui.navigate.to(self.scope.link(*parts, **query))

    def remember(self, *parts: str, **query: str | None) -> None:
        """State in the address what was chosen on this page, without opening it again."""
        address = self.scope.link(*parts, **query)
        ui.navigate.history.replace(address)
        ui.context.client.sub_pages_router.current_path = address

    def live(self, refresh: Refresh, *, every_s: float = REFRESH_S) -> Refresh:
        """Run `refresh` now, at every change, and at least every `every_s` while the page is open.

        What is slow to read has a longer `every_s`, and does not follow changes. What the cloud does not have
        is read every `MISSING_EVERY_S`. What is returned runs `refresh` at once, and shows an error as every
        other time.
        """
        follows, page = every_s <= REFRESH_S, self.banner.missing

        async def once() -> None:
            change = self.reads.next_change()
            there = await self._refreshed(refresh, page)
            timer.interval = (BETWEEN_S if follows else every_s) if there else MISSING_EVERY_S
            if follows and there:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(change.wait(), every_s)

        async def again() -> None:
            await self._refreshed(refresh, page)

        timer = ui.timer(BETWEEN_S, once)
        return again

    async def answer(self, reading: Callable[[], Awaitable[T]]) -> T | None:
        """What is read for a dialog that was clicked; None if that fails, which is said in a sentence."""
        try:
            return await reading()
        except DashboardError as error:
            ui.notify(str(error), type="negative", multi_line=True)
            return None

    async def act(self, change: Callable[[], Awaitable[object]], done: str) -> bool:
        """Ask the cloud for a change and say in a sentence how it went; True if it was done.

        If the session has ended, the cloud is asked once the person has logged in again over the page.
        """
        try:
            try:
                await change()
            except SessionEnded:
                if not await self.banner.login.logged_in(_login_address()):
                    raise
                await change()
        except DashboardError as error:
            if isinstance(error, (NotInThisState, NotThere)):  # someone was first: their change is shown now
                self.reads.forget()
            ui.notify(str(error), type="negative", multi_line=True, timeout=0, close_button="Close")
            return False
        self.reads.forget()
        ui.notify(done, type="positive")
        return True

    async def _refreshed(self, refresh: Refresh, page: set[object]) -> bool:
        """Run `refresh` and show how it went, while `page` is open; False if what is read is not there."""
        try:
            current_viewer()  # what others read is shown to nobody whose session has ended
            await refresh()
        except SessionEnded as error:
            self.banner.show(error, log_in=_login_address())
        except NotThere as error:
            if self.banner.missing is page:
                self.banner.show_missing(error, self._to_list(), refresh)
            return False
        except DashboardError as error:
            self.banner.show(error)
        else:
            if self.banner.missing is page:
                self.banner.clear(self.now(), refresh)
        return True

    def _to_list(self) -> Html:
        """A link to the list of what this page is about, which the first part of its address names.

        A page about no object lacks what its query names: the link is to the same page without a query.
        """
        path = ui.context.client.sub_pages_router.current_path.partition("?")[0]
        if not self.parameters:
            return element("a", "All sites", href=path)
        name = path.strip("/").partition("/")[0]
        return element("a", f"All {name.replace('-', ' ')}", href=self.scope.link(name))


def _login_address() -> str:
    """The login page that leads back to the present one."""
    return login_address(ui.context.client.sub_pages_router.current_path)
