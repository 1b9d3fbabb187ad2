"""The sentence above a page while the cloud cannot be read, and the time of what is shown below it."""

from dashboards import phrases
from dashboards.components.login_dialog import LoginDialog
from dashboards.components.section import Markup
from dashboards.errors import DashboardError, NotThere
from dashboards.markup import Html, element


class Banner:
    """Shows the present error; hidden without one. `login` asks over the page when the session has ended."""

    def __init__(self, login: LoginDialog) -> None:
        self.login = login
        self._read_at: float | None = None
        self._error, self._status = Markup("banner"), Markup("status")
        self.missing: set[object] = set()
        """What reads the page of the address and found nothing; a set of its own for each page."""

    def begin(self) -> None:
        """Another page is opened: what the one before lacked does not concern it."""
        self.missing = set()

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

    def show_missing(self, error: NotThere, to_list: Html, reader: object) -> None:
        """State that what the page is about is not there, with a link to the list of what is.

        It stays until `reader` finds it, whatever else of the page can be read.
        """
        self.missing.add(reader)
        text = f"{str(error).rstrip('.')}. "
        self._error.show(element("p", text, to_list, cls="lost", role="alert"))
        self._status.show(Html(""))

    def clear(self, now: float, reader: object) -> None:
        """Take the error back: `reader` has read everything at `now` (s since 1970)."""
        self.missing.discard(reader)
        if self.missing:
            return
        self._read_at = now
        self.login.close()
        live = element(
            "span", element("i", cls="dot"), "live", role="status", title="updated every 2 seconds"
        )
        self._error.show(Html(""))
        self._status.show(live)
