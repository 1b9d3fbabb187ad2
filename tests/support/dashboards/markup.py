"""The texts of markup that pages show."""

import re
from html import unescape


def row(markup: str, name: str) -> list[str]:
    """The texts of the cells of one table row."""
    cells = markup.split(f'data-row="{name}">')[1].split("</tr>", maxsplit=1)[0]
    return [text(f"<td{cell}") for cell in cells.split("<td")[1:]]


def text(markup: str) -> str:
    """The visible text of markup, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())
