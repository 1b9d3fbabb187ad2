"""Rows of a table as cards, for a screen that the table's columns do not fit into.

Every value of a row is then below the one before, with its column's title, so that nothing is beyond the
screen's edge; above them is the first value with a link, which names the row. A card is one more column of
the grid, which is shown in the place of the others.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

CARD = "row-as-card"
"""The id of the column; no column of a table has such a name."""
_CARD = """(params) => {
    const card = document.createElement("div"), values = document.createElement("dl");
    card.className = "row-card";
    const columns = %s, links = ([field, , kind]) => kind === "html" && params.data[field]?.includes("<a ");
    const buttons = document.createElement("div");
    buttons.className = "buttons";
    const name = columns.find(links) ?? columns[0];
    for (const [field, title, kind] of [name, ...columns.filter((one) => one !== name)]) {
        const value = params.data[field];
        if (value == null || value === "") continue;
        const term = document.createElement("dt"), text = document.createElement(title ? "dd" : "span");
        term.textContent = title;
        text.dataset.field = field;
        if (kind === "html") text.innerHTML = value;
        else text.textContent = kind === "number" ? value.toLocaleString("en-GB") : value;
        const pair = document.createElement("div");
        pair.append(term, text);
        if (title) values.append(pair);
        else buttons.append(text);
    }
    card.append(values, buttons);
    return card;
}"""
_KEYS_OF_LINKS = "(params) => ['Tab', 'Enter', ' '].includes(params.event.key)"
"""Keys that the grid leaves to the browser: to the next link or button of a card, and follow or press it."""
_FIT = """(event) => {
    if (event.clientWidth === 0) return;
    const cards = event.clientWidth < %d, name = %s, card = %s;
    document.getElementById(name).dataset.cards = cards;
    if (cards === event.api.getColumn(card).isVisible()) return;
    const columns = %s.map((colId) => ({colId, hide: cards}));
    event.api.applyColumnState({state: [...columns, {colId: card, hide: !cards}]});
}"""
"""All columns change at once: a table without a column, though for a moment only, has an empty header."""


def card_column(columns: Sequence[tuple[str, str, str]]) -> Mapping[str, Any]:
    """The column for AG Grid, at first hidden; `columns` are the field, title and kind of each value."""
    return {
        "colId": CARD,
        "headerName": "",
        "hide": True,
        "flex": 1,
        "sortable": False,
        "autoHeight": True,
        "wrapText": True,
        ":suppressKeyboardEvent": _KEYS_OF_LINKS,
        ":valueGetter": "(params) => JSON.stringify(params.data)",
        ":cellRenderer": _CARD % json.dumps(columns),
    }


def on_size_changed(name: str, fields: Sequence[str], least_px: int) -> str:
    """A handler of AG Grid that shows cards while the grid with the element id `name` is below `least_px`."""
    return _FIT % (least_px, json.dumps(name), json.dumps(CARD), json.dumps(fields))
