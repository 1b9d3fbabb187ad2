"""HTML as values: elements whose text is always escaped, so that nothing a cloud says becomes markup.

Pure; knows nothing of Blindspot. Only what is built here is an `Html`; any other child is text.
"""

from html import escape


class Html(str):
    """A piece of finished markup."""

    __slots__ = ()


Child = Html | str | int | None


def el(name: str, *children: Child, cls: str = "", **attributes: str | int | None) -> Html:
    """One element. Children that are no `Html` are escaped; None is left out.

    Args:
        name: the element's name.
        children: what it holds.
        cls: its class attribute.
        attributes: others; `_` in a name stands for `-`, None leaves the attribute out.
    """
    given = {"class": cls or None, **attributes}
    written = "".join(
        f' {key.replace("_", "-")}="{escape(str(value))}"'
        for key, value in given.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def image(source: str, description: str) -> Html:
    """A picture that is fetched when it comes into sight."""
    return Html(f'<img src="{escape(source)}" alt="{escape(description)}" loading="lazy">')


def join(*children: Child) -> Html:
    """Children one after another."""
    return Html("".join(_text(child) for child in children if child is not None))


def table(heads: tuple[Child, ...], rows: list[Html]) -> Html:
    """A table with a row of heads; a head that begins with `#` stands over numbers."""
    cells = (_head(head) for head in heads)
    return el(
        "div",
        el("table", el("thead", el("tr", *cells)), el("tbody", *rows)),
        cls="scroll",
    )


def row(*cells: Child, cls: str = "", name: str | None = None) -> Html:
    """A table row; cells that are no `td` yet become one."""
    return el("tr", *(_cell(cell) for cell in cells), cls=cls, data_row=name)


def number(text: str, *, cls: str = "") -> Html:
    """A table cell that holds a number."""
    return el("td", text, cls=f"num {cls}".strip())


def _cell(cell: Child) -> Html:
    return cell if isinstance(cell, Html) and cell.startswith("<td") else el("td", cell)


def _head(head: Child) -> Html:
    text = str(head)
    return el("th", text.removeprefix("#"), cls="num" if text.startswith("#") else "", scope="col")


def _text(child: Child) -> str:
    return child if isinstance(child, Html) else escape(str(child))
