"""The blocks of shell commands in a page.

```sh runs to its end, ```sh terminal keeps running, ```sh values sets variables that are the reader's own.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_BLOCK = re.compile(r"^```sh(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"^export (\w+)=", re.MULTILINE)


class BlockKind(StrEnum):
    """What the reader does with a block."""

    RUN = "run"
    TERMINAL = "terminal"
    VALUES = "values"


@dataclass(frozen=True)
class Block:
    """One block. `text` is shell; `line` is its first line in the page."""

    kind: BlockKind
    text: str
    line: int

    @property
    def commands(self) -> tuple[str, ...]:
        """Its commands, one a line."""
        return tuple(line for line in self.text.splitlines() if line)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names that it exports."""
        return tuple(_EXPORT.findall(self.text))


def blocks(page: Path) -> tuple[Block, ...]:
    """All blocks of a page in order. Raises `ValueError` for a word after `sh` that is no `BlockKind`."""
    text = page.read_text()
    return tuple(
        Block(
            BlockKind(found[1]) if found[1] else BlockKind.RUN,
            found[2],
            text.count("\n", 0, found.start()) + 2,
        )
        for found in _BLOCK.finditer(text)
    )
