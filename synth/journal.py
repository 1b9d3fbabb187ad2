"""The journal of a run under way: which folder belongs to which run, and what its groups gave so far.

A group's entry is written after its images, atomically; what the entries say is all that a resumed run
knows. The journal is deleted when the set is sealed.
"""

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from messaging.blobs import write_atomically
from synth.errors import OrderRefused
from synth.selection.filters import Refusal
from synth.selection.labelled_set import ImageRow, RefusedRow, RunFacts

_FOLDER = "journal"
_FACTS = "facts.json"


class Group(BaseModel):
    """What one finished group of scenes gave; the next group starts with scene `next_scene`."""

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
        """Remove the journal from disk, once the set is sealed."""
        shutil.rmtree(self.folder / _FOLDER, ignore_errors=True)

    @property
    def next_scene(self) -> int:
        """Index of the first scene that no group holds."""
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
        """How many patches were painted."""
        return sum(group.patches_generated for group in self.groups)

    @property
    def images_judged(self) -> int:
        """How many pictures were put before the judges."""
        return sum(group.images_judged for group in self.groups)

    @property
    def budget_spent(self) -> bool:
        """Whether a scene could not be paid for."""
        last = self.groups[-1].refused if self.groups else ()
        return any(row.reason is Refusal.OUT_OF_BUDGET for row in last)

    def refused_by_reason(self) -> dict[str, int]:
        """How many hazards each rule refused."""
        return dict(Counter(str(row.reason) for row in self.refused))


def claim_folder(folder: Path, facts: RunFacts) -> None:
    """Make the folder this run's own, or see that it is. Raises `OrderRefused`."""
    path = folder / _FACTS
    if not path.exists():
        write_atomically(path, facts.model_dump_json(indent=1).encode())
        return
    held = RunFacts.model_validate_json(path.read_text())
    if held != facts:
        raise OrderRefused(
            f"{folder} holds a run of order {held.order['order']} ({held.order_digest[:12]}) by generator "
            f"{held.generator}; give order {facts.order_digest[:12]} by {facts.generator} a folder of its own"
        )
