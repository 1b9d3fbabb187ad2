"""The empty state of a list: what will be there, and the command or button that makes the first one."""

from collections.abc import Callable
from dataclasses import dataclass

from nicegui import ui

from dashboards.markup import element


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
            command = element("code", self.command) if self.command else None
            ui.html(element("p", self.sentence, " ", command), sanitize=False)
            if self.button and self.on_click is not None:
                ui.button(self.button, on_click=self.on_click).props("unelevated no-caps")
        return place
