"""The console of every command: text is printed as it is, never read as markup."""

from rich.console import Console
from rich.text import Text


class PlainConsole(Console):
    """A rich console that prints strings literally, on one line, without highlighting.

    Styles are arguments, never parts of a string, so that brackets in a path or message cannot change what
    is printed.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def print_line(self, *parts: str | tuple[str, str]) -> None:
        """Print one line of parts; a part is a text or a (text, style)."""
        self.print(Text.assemble(*parts), soft_wrap=True)


out = PlainConsole()
notes = PlainConsole(stderr=True)
