"""Tables that sort, filter and update in place (AG Grid), and the empty state in the place of a table."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nicegui import ui
from nicegui.events import GenericEventArguments

from dashboards.components.empty import Empty
from dashboards.markup import Html, element

ROW_PX, HEADER_PX, MOST_PX = 42, 44, 640
_FOLLOW_ON_ENTER = """(params) => {
    if (params.event.key === 'Enter') params.event.target.querySelector?.('a, button')?.click();
}"""
"""The link or button of the cell that has the focus; the keys of a grid move between cells alone."""
LABELS = {"noRowsToShow": "No row matches the filter", "filterOoo": "Filter …"}


@dataclass(frozen=True)
class Column:
    """A column; `field` names the value in a row.

    An `html` column holds `Html`, and sorts and filters by the row's value `{field}_value`, if it has one.
    A `number` column is aligned right. `width` is in pixels; columns without one share the rest by `flex`.
    """

    field: str
    title: str
    kind: Literal["text", "number", "html"] = "text"
    flex: float = 1.0
    width: int | None = None
    tooltip: str = ""

    def definition(self) -> dict[str, Any]:
        """The column for AG Grid."""
        place = {"width": self.width} if self.width else {"flex": self.flex, "minWidth": 90}
        options: dict[str, Any] = {
            "field": self.field,
            "headerName": self.title,
            "sortable": True,
            "resizable": True,
            **place,
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
        if not self.title:  # buttons, which neither sort nor filter
            options |= {
                "sortable": False,
                "resizable": False,
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
                "columnDefs": [column.definition() for column in columns],
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
        height = min(HEADER_PX + ROW_PX * len(wanted) + 4, MOST_PX)
        self._grid.style(f"height: {height}px")
        if before is None:
            self._grid.options["rowData"] = wanted
        elif [row["id"] for row in before] == [row["id"] for row in wanted]:
            changed = [row for old, row in zip(before, wanted, strict=True) if row != old]
            self._grid.run_grid_method("applyTransaction", {"update": changed})
        else:
            self._grid.run_grid_method("setGridOption", "rowData", wanted)

    def on_action(self, field: str, handler: Callable[[str], Awaitable[None]]) -> None:
        """Call `handler` with the id of a row whose `action` in the column `field` is clicked."""

        async def clicked(event: GenericEventArguments) -> None:
            row = event.args.get("data", {})
            if event.args.get("colId") == field and row.get(field):
                await handler(str(row["id"]))

        self._grid.on("cellClicked", clicked)


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
