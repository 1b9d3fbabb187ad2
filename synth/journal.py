"""The journal of an unfinished run: which run a folder belongs to, and the results of its scene groups.

A group's entry is written atomically, after its images; a resumed run continues from the entries alone. The
journal is deleted when the set is complete on disk.
"""

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from messaging.runtime.atomic_files import write_atomically
from synth.errors import OrderRefused
from synth.selection.filters import Refusal
from synth.selection.labelled_set import ImageRow, RefusedRow, RunFacts

_FOLDER = "journal"
_FACTS = "facts.json"


class Group(BaseModel):
    """Results of one finished group of scenes; the next group starts with scene `next_scene`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    next_scene: int
    images_judged: int = 0
    patches_generated: int = 0
    kept: tuple[ImageRow, ...] = ()
    refused: tuple[RefusedRow, ...] = ()


@dataclass
class RunJournal:
    """The groups of one run, in order."""

    folder: Path
    groups: list[Group] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "RunJournal":
        """The journal of the run in `folder`, empty before its first group."""
        paths = sorted((folder / _FOLDER).glob("*.json"))
        return cls(folder, [Group.model_validate_json(path.read_text()) for path in paths])

    def add(self, group: Group) -> None:
        """Write one more group."""
        path = self.folder / _FOLDER / f"{len(self.groups):06d}.json"
        write_atomically(path, group.model_dump_json().encode())
        self.groups.append(group)

    def delete(self) -> None:
        """Remove the journal from disk, after the set is complete."""
        shutil.rmtree(self.folder / _FOLDER, ignore_errors=True)

    @property
    def next_scene(self) -> int:
        """Index of the first scene that is in no group."""
        return self.groups[-1].next_scene if self.groups else 0

    @property
    def kept(self) -> list[ImageRow]:
        """Rows of all kept images."""
        return [row for group in self.groups for row in group.kept]

    @property
    def refused(self) -> list[RefusedRow]:
        """Rows of all refused hazards."""
        return [row for group in self.groups for row in group.refused]

    @property
    def patches_generated(self) -> int:
        """How many patches the generator has inpainted."""
        return sum(group.patches_generated for group in self.groups)

    @property
    def images_judged(self) -> int:
        """How many images the judges have rated."""
        return sum(group.images_judged for group in self.groups)

    @property
    def budget_spent(self) -> bool:
        """Whether the remaining budget did not cover the next scene."""
        last = self.groups[-1].refused if self.groups else ()
        return any(row.reason is Refusal.OUT_OF_BUDGET for row in last)

    def refused_by_reason(self) -> dict[str, int]:
        """How many hazards each rule refused."""
        return dict(Counter(str(row.reason) for row in self.refused))


def claim_folder(folder: Path, facts: RunFacts) -> None:
    """Record that the folder belongs to this run; raises `OrderRefused` when it belongs to another one."""
    path = folder / _FACTS
    if not path.exists():
        write_atomically(path, facts.model_dump_json(indent=1).encode())
        return
    held = RunFacts.model_validate_json(path.read_text())
    if held != facts:
        raise OrderRefused(
            f"{folder} holds a run of order {held.order['order']} ({held.order_digest[:12]}) by generator "
            f"{held.generator}; give order {facts.order_digest[:12]} by {facts.generator} another folder"
        )
