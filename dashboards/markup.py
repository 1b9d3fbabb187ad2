"""HTML elements as values; text is always escaped, so that nothing the cloud sends becomes markup.

Pure functions, independent of Blindspot. Only they return `Html`; any other child is text.
"""

from collections.abc import Iterable
from html import escape


class Html(str):
    """Finished markup, which is not escaped again."""

    __slots__ = ()


Child = Html | str | int | None


def element(name: str, *children: Child, cls: str = "", **attributes: str | int | None) -> Html:
    """One element. Children that are not `Html` are escaped; None is left out.

    Args:
        name: the element's name.
        children: its content.
        cls: its class attribute.
        attributes: other attributes; `_` in a name becomes `-`, None leaves the attribute out.
    """
    given = {"class": cls or None, **attributes}
    written = "".join(
        f' {key.replace("_", "-")}="{escape(str(value))}"'
        for key, value in given.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def image(source: str, description: str) -> Html:
    """An image that the browser fetches when it becomes visible."""
    return Html(f'<img src="{escape(source)}" alt="{escape(description)}" loading="lazy">')


def join(*children: Child) -> Html:
    """The children in order, without an element around them."""
    return Html("".join(_text(child) for child in children if child is not None))


def with_commas(children: Iterable[Child]) -> Html:
    """The children in order, with a comma between two of them."""
    return Html(", ".join(_text(child) for child in children if child is not None))


def with_code(text: str) -> Html:
    """The text, in which what is between two backticks is code."""
    *pairs, rest = text.split("`")
    if len(pairs) % 2:
        return join(text)
    return join(*(element("code", part) if n % 2 else part for n, part in enumerate(pairs)), rest)


def table(headers: tuple[Child, ...], rows: list[Html]) -> Html:
    """A table with a header row; a text that begins with `#` is right-aligned, for numbers."""
    cells = (_header(header) for header in headers)
    return element(
        "div",
        element("table", element("thead", element("tr", *cells)), element("tbody", *rows)),
        cls="scroll",
    )


def row(*cells: Child, cls: str = "", name: str | None = None) -> Html:
    """A table row; cells that are not yet `td` elements become one. `name` is its `data-row` attribute."""
    return element("tr", *(_cell(cell) for cell in cells), cls=cls, data_row=name)


def number(text: str, *, cls: str = "") -> Html:
    """A right-aligned table cell for a number."""
    return element("td", text, cls=f"num {cls}".strip())


def _cell(cell: Child) -> Html:
    return cell if isinstance(cell, Html) and cell.startswith("<td") else element("td", cell)


def _header(header: Child) -> Html:
    if isinstance(header, Html) and header.startswith("<th"):
        return header
    text = str(header)
    return element("th", text.removeprefix("#"), cls="num" if text.startswith("#") else "", scope="col")


def _text(child: Child) -> str:
    return child if isinstance(child, Html) else escape(str(child))
