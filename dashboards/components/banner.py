"""The sentence above a page while the cloud cannot be read, and the time of what is shown below it."""

from nicegui import ui

from dashboards import phrases
from dashboards.errors import DashboardError
from dashboards.markup import Html, element


class Banner:
    """Shows the present error; hidden without one."""

    def __init__(self) -> None:
        self._read_at: float | None = None
        self._element = ui.html("", sanitize=False).classes("banner")
        self._status = ui.html("", sanitize=False).classes("status")

    def show(self, error: DashboardError, *, log_in: str | None = None) -> None:
        """State an error, and from when the data below it are; `log_in`: the address that helps.

        It opens in another tab, so that nothing that was typed here is lost.
        """
        if self._read_at is None:
            rest = "There is no data yet."
        else:
            rest = f"The data below are from {phrases.clock_time(self._read_at)}."
        text = f"{str(error).rstrip('.')}. {rest}"
        link = None if log_in is None else element("a", "Log in", href=log_in, target="_blank")
        self._set(element("p", text, None if link is None else " ", link, cls="lost", role="alert"), Html(""))

    def clear(self, now: float) -> None:
        """Take the error back: everything was read at `now` (s since 1970)."""
        self._read_at = now
        live = element(
            "span", element("i", cls="dot"), "live", role="status", title="updated every 2 seconds"
        )
        self._set(Html(""), live)

    def _set(self, banner: Html, status: Html) -> None:
        if self._element.content != banner:
            self._element.content = banner
        if self._status.content != status:
            self._status.content = status
