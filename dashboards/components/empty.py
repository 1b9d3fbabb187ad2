"""The empty state of a list: what will be there, and the command or button that makes the first one."""

from collections.abc import Callable
from dataclasses import dataclass

from nicegui import ui

from dashboards.markup import Html, element


@dataclass(frozen=True)
class Empty:
    """A sentence; the command to type, if any; the text of a button with what it does, if any."""

    sentence: str
    command: str = ""
    button: str = ""
    on_click: Callable[[], object] | None = None

    def element(self) -> ui.element:
        """The elements."""
        with ui.element("div").classes("empty") as place:
            ui.html(self._text(), sanitize=False)
            if self.button and self.on_click is not None:
                ui.button(self.button, on_click=self.on_click).props("unelevated no-caps")
        return place

    def markup(self) -> Html:
        """Sentence and command, as a part of other markup."""
        return self._text("empty")

    def _text(self, cls: str = "") -> Html:
        command = element("code", self.command) if self.command else None
        return element("p", self.sentence, " ", command, cls=cls)
