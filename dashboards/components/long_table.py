"""A table of the first rows of a list that may be long, with a button that shows more of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from dashboards.components.empty import Empty
from dashboards.components.section import Markup
from dashboards.components.table import Column, Table
from dashboards.markup import element


class LongTable(Table):
    """A table of at most `most` rows; `most` grows by `step` when a viewer asks for more."""

    def __init__(self, columns: Sequence[Column], *, name: str, empty: Empty, step: int) -> None:
        """See `Table`; `step`: rows that are shown at first."""
        super().__init__(columns, name=name, empty=empty)
        self.most = self._step = step
        with ui.row().classes("actions more") as self._rest:
            self._shown = Markup()
            self._button = ui.button(f"Show {step} more").props("outline no-caps")
        self._rest.set_visibility(False)

    def show_first(self, rows: Sequence[Mapping[str, Any]], *, more: bool) -> None:
        """Show these rows; `more`: the list has others after them."""
        self.show(rows)
        self._shown.show(element("p", f"The first {len(rows):,} are shown.", cls="rest"))
        self._rest.set_visibility(more)

    def on_more(self, read: Callable[[], Awaitable[None]]) -> None:
        """Call `read` once `most` has grown."""

        async def clicked() -> None:
            self.most += self._step
            await read()

        self._button.on_click(clicked)
