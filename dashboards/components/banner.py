"""The sentence above a page while the cloud cannot be read, and the time of what is shown below it."""

from dashboards import phrases
from dashboards.components.login_dialog import LoginDialog
from dashboards.components.section import Markup
from dashboards.errors import DashboardError
from dashboards.markup import Html, element


class Banner:
    """Shows the present error; hidden without one. `login` asks over the page when the session has ended."""

    def __init__(self, login: LoginDialog) -> None:
        self.login = login
        self._read_at: float | None = None
        self._error, self._status = Markup("banner"), Markup("status")

    def show(self, error: DashboardError, *, log_in: str | None = None) -> None:
        """State an error, and from when the data below it are; `log_in`: the address that helps.

        The login is over the page or in another tab, so that nothing that was typed here is lost.
        """
        if log_in is not None:
            self.login.open(log_in)
        if self._read_at is None:
            rest = "There is no data yet."
        else:
            rest = f"The data below are from {phrases.clock_time(self._read_at)}."
        text = f"{str(error).rstrip('.')}. {rest}"
        link = None if log_in is None else element("a", "Log in", href=log_in, target="_blank")
        sentence = element("p", text, None if link is None else " ", link, cls="lost", role="alert")
        self._error.show(sentence)
        self._status.show(Html(""))

    def clear(self, now: float) -> None:
        """Take the error back: everything was read at `now` (s since 1970)."""
        self._read_at = now
        self.login.close()
        live = element(
            "span", element("i", cls="dot"), "live", role="status", title="updated every 2 seconds"
        )
        self._error.show(Html(""))
        self._status.show(live)
