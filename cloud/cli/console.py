"""Output of the command line: tables for people, JSON for programs, notes and progress on stderr."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.cells import cell_len
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from cloud.errors import BadRequest
from messaging.fields import fault_words
from messaging.runtime.console import notes, out

Shown = TypeVar("Shown", bound=BaseModel)
Body = TypeVar("Body", bound=BaseModel)

DataOption = Annotated[
    Path, typer.Option("--data", envvar="BLINDSPOT_DATA", help="data folder of the running cloud")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for programs")]
_MAX_WIDTH = 10_000  # columns
_READABLE = 10  # characters
IDENTIFIERS = frozenset(
    {
        "camera", "campaign", "event", "failure mode", "failure modes", "id", "image", "integration", "model",
        "name", "number", "rollout", "site", "user",
    }
)  # fmt: skip
"""Titles of columns whose cells other commands take as arguments."""
DEFAULT_DATA = Path("blindspot-data")


def body_of(model: type[Body], **values: object) -> Body:
    """The body of a request. Raises `BadRequest` with the field and what is wrong with its value."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        shown = "" if field == "password" else f" {str(first['input'])[:60]!r}"
        message = fault_words(first)
        raise BadRequest(f"{field}{shown}: {message}" if field else message) from None


def print_json(value: BaseModel | Sequence[BaseModel] | dict[str, object]) -> None:
    """Print one JSON document on stdout."""
    if isinstance(value, BaseModel):
        text = value.model_dump_json(indent=1)
    elif isinstance(value, dict):
        text = json.dumps(value, indent=1, default=str)
    else:
        text = json.dumps([item.model_dump(mode="json") for item in value], indent=1)
    sys.stdout.write(text + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print a title line and a table; without rows print `empty` on stderr.

    No cell is ever cut. On a terminal identifiers stay on one line, so that they can be copied into the next
    command, and other cells are folded; a table that is too wide for that becomes one block a row. Everything
    else gets the full width.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        notes.print(empty)
        return
    out.print(title, style="italic")
    widths = _least_widths(columns, cells)
    if out.is_terminal and sum(widths) + 3 * len(widths) + 1 > out.width:
        for row in cells:
            out.print(_block(columns, row))
        return
    table = Table(header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        is_whole = column in IDENTIFIERS
        table.add_column(column, overflow="fold", no_wrap=is_whole, min_width=width if is_whole else None)
    for row in cells:
        table.add_row(*map(Text, row))
    if not out.is_terminal:
        table.width = Measurement.get(out, out.options.update(max_width=_MAX_WIDTH), table).maximum
    out.print(table)


def _least_widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """How narrow each column may become: an identifier not at all, others to `_READABLE` characters."""
    natural = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    return [
        width if column in IDENTIFIERS else min(width, _READABLE)
        for column, width in zip(columns, natural, strict=True)
    ]


def _block(columns: Sequence[str], row: Sequence[str]) -> Text:
    """One row as lines of `column  cell`; a narrow terminal folds them, and no character is lost."""
    width = max(map(cell_len, columns))
    lines = [f"{column:<{width}}  {cell}" for column, cell in zip(columns, row, strict=True) if cell]
    return Text("\n".join(lines) + "\n", overflow="fold", no_wrap=False)


def show_list(
    found: Sequence[Shown],
    as_json: bool,
    *,
    title: str,
    columns: Sequence[str],
    row: Callable[[Shown], Sequence[object]],
    empty: str,
) -> None:
    """Print a list as JSON, or as a table with one row per item; without items print `empty` on stderr."""
    if as_json:
        print_json(found)
    else:
        print_table(title, columns, [row(one) for one in found], empty)


def when(seconds: int | None) -> str:
    """A time as text in the local time zone; empty for None."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def percent(value: float | None) -> str:
    """A fraction as percent; empty for None."""
    return "" if value is None else f"{100 * value:.0f} %"


def short(digest: str | None) -> str:
    """The first 12 digits of a digest; empty for None."""
    return "" if digest is None else digest[:12]


def degrees(value: float | None) -> str:
    """A longitude or latitude to about a metre."""
    return "" if value is None else f"{value:.5f}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, tuple | list):
        return ", ".join(str(item) for item in value)
    return str(value)
