"""The console of every command: text is printed as it is, never read as markup."""

import os

from rich.console import Console
from rich.text import Text


def has_styles() -> bool:
    """Whether colours and other styles may be printed: `NO_COLOR` is not set."""
    return not os.environ.get("NO_COLOR")


class PlainConsole(Console):
    """A rich console that prints strings literally, on one line, without highlighting.

    With `NO_COLOR` (https://no-color.org) no escape code is printed: no style, and on stderr no progress that
    is drawn again in its place. Styles are arguments, never parts of a string, so that brackets in a path or
    message cannot change what is printed.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(
            stderr=stderr,
            color_system="auto" if has_styles() else None,
            force_terminal=None if has_styles() or not stderr else False,
            markup=False,
            highlight=False,
            emoji=False,
            soft_wrap=True,
        )

    def print_line(self, *parts: str | tuple[str, str]) -> None:
        """Print one line of parts; a part is a text or a (text, style)."""
        self.print(Text.assemble(*parts), soft_wrap=True)


out = PlainConsole()
notes = PlainConsole(stderr=True)
