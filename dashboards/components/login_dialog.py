"""The login over a page whose session has ended: the page stays as it is, and goes on afterwards."""

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import ui

from dashboards.errors import DashboardError
from dashboards.markup import element

TITLE = "Log in again"
KEPT = "The session has ended. What is typed on this page is kept."
Login = Callable[[str], Awaitable[None]]


class LoginDialog:
    """Asks for the password of the person whose page it is.

    `log_in` renews the session by a password and raises `DashboardError`; None where that is not possible,
    so that only the login in another tab is left.
    """

    def __init__(self, name: str, log_in: Login | None) -> None:
        self._log_in, self._refused = log_in, False
        self._done = asyncio.Event()
        with ui.dialog().props("persistent") as self._dialog, ui.card().classes("dialog"):
            self._dialog.props(f'aria-label="{TITLE}"')
            ui.html(element("h2", TITLE), sanitize=False)
            ui.html(element("p", KEPT), sanitize=False)
            if log_in is not None:
                self._password = ui.input(f"Password of {name}", password=True)
                self._password.props("outlined dense autofocus autocomplete=current-password")
                self._password.on("keydown.enter", self._submit)
            self._link = ui.html("", sanitize=False)
            with ui.row().classes("choices"):
                ui.button("Later", on_click=self._later).props("flat no-caps")
                if log_in is not None:
                    ui.button("Log in", on_click=self._submit).props("unelevated no-caps")

    def open(self, address: str) -> None:
        """Ask, unless the person wanted to do it later; `address`: of the login in another tab."""
        link = element("a", "Log in in another tab", href=address, target="_blank")
        self._link.set_content(element("p", link))
        if not self._refused:
            self._dialog.open()

    async def logged_in(self, address: str) -> bool:
        """Ask in any case; whether the session goes on. Returns when that is known."""
        self._refused = False
        self._done.clear()
        self.open(address)
        await self._done.wait()
        return not self._refused

    def close(self) -> None:
        """The session goes on."""
        self._refused = False
        if self._dialog.value:
            self._dialog.close()
        self._done.set()

    def _later(self) -> None:
        self._refused = True
        self._dialog.close()
        self._done.set()

    async def _submit(self) -> None:
        assert self._log_in is not None, "without a login there is no button"
        try:
            await self._log_in(self._password.value or "")
        except DashboardError as error:
            self._password.error = str(error)
            return
        self._password.error, self._password.value = None, ""
        self.close()
