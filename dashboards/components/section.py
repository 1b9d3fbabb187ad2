"""Parts of a page: its heading, cards, and markup that is sent only when it has changed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from nicegui import ui

from dashboards.markup import Child, Html, element, join


def heading(title: str, rest: str = "") -> None:
    """The title of a page, which is also the title of the browser's tab, and a sentence about it."""
    ui.page_title(f"{title} · Blindspot")
    shown = element("div", element("h1", title), element("p", rest) if rest else None)
    ui.html(shown, sanitize=False).classes("heading")


@contextmanager
def card(title: str, *, name: str, aside: str = "", wide: bool = True) -> Iterator[ui.element]:
    """A titled card around elements; `name` is its id, `aside` a note right of the title."""
    section = ui.element("section").classes("card wide" if wide else "card half").props(f"id={name}")
    with section:
        note = element("span", aside, cls="aside") if aside else None
        ui.html(element("header", element("h2", title), note), sanitize=False)
        yield section


class Markup:
    """A place for markup; `show` sends it to the browser when it is another one."""

    def __init__(self, classes: str = "") -> None:
        self._element = ui.html("", sanitize=False).classes(classes)

    def show(self, markup: Html) -> None:
        """Show this markup in the place of the one before."""
        if self._element.content != markup:
            self._element.content = markup


def facts(values: Mapping[str, Child]) -> Html:
    """Names with their values, one a line."""
    lines = (join(element("dt", name), element("dd", value)) for name, value in values.items())
    return element("dl", *lines, cls="facts")
