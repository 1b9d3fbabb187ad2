"""What is wrong with a folder of images: every fault with its file, line and remedy, collected in one pass.

A reader that finds a fault records it and goes on, so that a person learns of all faults at once. Only the
caller decides whether faults refuse the folder.
"""

import re
from dataclasses import dataclass, field

from cloud.errors import DataRefused
from messaging.errors import FileFault

SHOWN = 20


@dataclass(frozen=True)
class Fault:
    """One fault. `where` is a path relative to the dataset, or the dataset itself."""

    where: str
    what: str
    remedy: str
    line: int | None = None

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}, line {self.line}"
        return f"{place}: {self.what}; {self.remedy}"


@dataclass
class DataFindings:
    """Faults and notes of one reading. A note is something that a person should know and that is no fault.

    `gathered` has what may concern many files: the names by what is stated about them.
    """

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    gathered: dict[str, list[str]] = field(default_factory=dict)

    def fault(self, where: str, what: str, remedy: str, *, line: int | None = None) -> None:
        """Record a fault."""
        self.faults.append(Fault(where, printable(what), printable(remedy), line))

    def unreadable(self, where: str, error: FileFault) -> None:
        """Record what a reader of text or bytes raised; its sentence begins with the path."""
        text = str(error).removeprefix(where).lstrip(" :,")
        numbered = re.match(r"line (\d+): ", text)
        text = text[numbered.end() :] if numbered else text
        what, _, remedy = text.rpartition("; ")
        line = int(numbered.group(1)) if numbered else None
        self.fault(where, what or text, remedy if what else "write the file again", line=line)

    def note(self, text: str) -> None:
        """Record a note."""
        self.notes.append(printable(text))

    def gather(self, what: str, name: str) -> None:
        """Record a note that may concern many files; they become one note with a count."""
        self.gathered.setdefault(what, []).append(name)

    @property
    def every_note(self) -> tuple[str, ...]:
        """All notes, gathered ones last."""
        return (
            *self.notes,
            *(f"{len(names)} {what}: {some(names)}" for what, names in self.gathered.items()),
        )


def refuse(origin: str, faults: list[Fault] | tuple[Fault, ...]) -> None:
    """Raise `DataRefused` if there is any fault, naming the first twenty and how to list the others."""
    if not faults:
        return
    sentences = [str(fault).removeprefix(f"{origin}: ") for fault in faults[:SHOWN]]
    if len(faults) == 1:
        raise DataRefused(f"{origin}: {sentences[0]}")
    lines = [f"{origin} has {len(faults)} faults:", *(f"  {sentence}" for sentence in sentences)]
    if len(faults) > SHOWN:
        lines.append(f"  and {len(faults) - SHOWN} more; `blindspot data check {origin}` lists all")
    raise DataRefused("\n".join(lines))


def printable(text: str) -> str:
    """A text from a file without control characters, which could change what a terminal shows."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def some(names: list[str] | tuple[str, ...], most: int = 5) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
