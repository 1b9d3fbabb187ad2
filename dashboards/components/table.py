"""Tables that sort, filter and update in place (AG Grid), and the empty state in the place of a table.

No text of a table is cut: titles and cells break into lines, and where the columns do not fit side by side,
each row is a card (`card_rows`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nicegui import ui
from nicegui.events import GenericEventArguments

from dashboards.components.card_rows import card_column, on_size_changed
from dashboards.components.empty import Empty
from dashboards.markup import Html, element

ROW_PX, HEADER_PX, MOST_PX = 42, 40, 640
ALL_SHOWN = 12
"""With more rows than this, a table has a height of `MOST_PX` and draws those in view alone."""
_ACTION = """(event) => {
    const button = event.target.closest("button.action");
    if (!button) return;
    const place = button.closest("[data-field], [col-id]"), row = button.closest("[row-id]");
    emit({field: place.dataset.field ?? place.getAttribute("col-id"), row: row.getAttribute("row-id")});
}"""
_FOLLOW_ON_ENTER = """(params) => {
    if (params.event.key === 'Enter') params.event.target.querySelector?.('a, button')?.click();
}"""
"""The link or button of the cell that has the focus; the keys of a grid move between cells alone."""
LABELS = {"noRowsToShow": "No row matches the filter", "filterOoo": "Filter …"}


@dataclass(frozen=True)
class Column:
    """A column; `field` names the value in a row.

    An `html` column holds `Html`, and sorts and filters by the row's value `{field}_value`, if it has one.
    A `number` column is aligned right. `width` is what its words and numbers need, in pixels; what a screen
    has beyond the sum is divided in proportion.
    """

    field: str
    title: str
    kind: Literal["text", "number", "html"] = "text"
    width: int = 110
    tooltip: str = ""

    def definition(self) -> dict[str, Any]:
        """The column for AG Grid."""
        options: dict[str, Any] = {
            "field": self.field,
            "headerName": self.title,
            "sortable": True,
            "resizable": True,
            "flex": self.width,
            "minWidth": self.width,
            "wrapHeaderText": True,
            "autoHeaderHeight": True,
        }
        if self.tooltip:
            options["headerTooltip"] = self.tooltip
        if self.kind == "number":
            options |= {
                "type": "rightAligned",
                "cellClass": "ag-right-aligned-cell num",
                "filter": "agNumberColumnFilter",
                ":valueFormatter": "(params) => params.value?.toLocaleString('en-GB') ?? ''",
            }
            return options
        options |= {"wrapText": True, "autoHeight": True}
        if not self.title:  # buttons, which neither sort nor filter
            options |= {
                "sortable": False,
                "resizable": False,
                "cellClass": "buttons",
                ":cellRenderer": "(params) => params.value ?? ''",
            }
            return options
        options["filter"] = "agTextColumnFilter"
        if self.kind == "html":
            value = f"{self.field}_value"
            options |= {
                ":comparator": _comparator(value),
                ":filterValueGetter": f"(params) => params.data[{value!r}]",
                ":cellRenderer": "(params) => params.value ?? ''",
            }
        return options


class Table:
    """A table whose rows have a value `id`; `show` replaces its rows and keeps sorting, filter and place."""

    def __init__(self, columns: Sequence[Column], *, name: str, empty: Empty) -> None:
        """`name` is the element's id; `empty` is shown while there is no row."""
        self._rows: list[dict[str, Any]] | None = None
        self._empty = empty.element()
        self._empty.set_visibility(False)
        self._grid = ui.aggrid(
            {
                "columnDefs": [
                    *(column.definition() for column in columns),
                    card_column([(column.field, column.title, column.kind) for column in columns]),
                ],
                "rowData": [],
                ":getRowId": "(params) => params.data.id",
                "rowHeight": ROW_PX,
                "headerHeight": HEADER_PX,
                "animateRows": False,
                "suppressCellFocus": False,
                "enableCellTextSelection": True,
                "ensureDomOrder": True,
                "localeText": LABELS,
                "tooltipShowDelay": 300,
                ":onGridSizeChanged": on_size_changed(
                    name, [column.field for column in columns], sum(column.width for column in columns)
                ),
                ":onCellKeyDown": _FOLLOW_ON_ENTER,
            },
            auto_size_columns=False,
        )
        self._grid.classes("table").props(f"id={name}")
        self._grid.set_visibility(False)

    def show(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show these rows."""
        wanted = [dict(row) for row in rows]
        if wanted == self._rows:
            return
        before, self._rows = self._rows, wanted
        self._empty.set_visibility(not wanted)
        self._grid.set_visibility(bool(wanted))
        self._fit_height(before, wanted)
        if before is None:
            self._grid.options["rowData"] = wanted
        elif [row["id"] for row in before] == [row["id"] for row in wanted]:
            changed = [row for old, row in zip(before, wanted, strict=True) if row != old]
            self._grid.run_grid_method("applyTransaction", {"update": changed})
        else:
            self._grid.run_grid_method("setGridOption", "rowData", wanted)

    def _fit_height(self, before: Sequence[object] | None, rows: Sequence[object]) -> None:
        """A table is as high as its rows, up to `ALL_SHOWN` of them."""
        few = len(rows) <= ALL_SHOWN
        if before is not None and (len(before) <= ALL_SHOWN) == few:
            return
        layout = "autoHeight" if few else "normal"
        self._grid.style(f"height: {'auto' if few else f'{MOST_PX}px'}")
        if before is None:
            self._grid.options["domLayout"] = layout
        else:
            self._grid.run_grid_method("setGridOption", "domLayout", layout)

    def on_action(self, field: str, handler: Callable[[str], Awaitable[None]]) -> None:
        """Call `handler` with the id of a row whose `action` in the column `field` is clicked."""

        async def clicked(event: GenericEventArguments) -> None:
            if event.args["field"] == field:
                await handler(event.args["row"])

        self._grid.on("click", clicked, js_handler=_ACTION)


def action(text: str, description: str) -> Html:
    """A button for a cell; `description` says for screen readers what it is about."""
    return element("button", text, type="button", cls="action", aria_label=description)


def link(text: str, address: str) -> Html:
    """A link to another page, for a cell."""
    return element("a", text, href=address)


def _comparator(value: str) -> str:
    return (
        "(a, b, first, second) => { "
        f"const x = first.data[{value!r}] ?? a, y = second.data[{value!r}] ?? b; "
        "return x === y ? 0 : x == null ? -1 : y == null ? 1 : x < y ? -1 : 1; }"
    )
