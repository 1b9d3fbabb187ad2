"""The journal of an unfinished run: which run a folder belongs to, and the results of its scene groups.

A group's entry is written atomically, after its images; a resumed run continues from the entries alone. The
journal is deleted when the set is complete on disk.
"""

import contextlib
import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.locks import FileLock
from synth.errors import LabelledSetBroken, OrderRefused
from synth.progress import PROGRESS_FILE
from synth.selection.filters import Refusal
from synth.selection.labelled_set import (
    MANIFEST,
    SET_NAMES,
    ImageRow,
    LabelledSet,
    RefusedRow,
    RunFacts,
    file_digest,
)

logger = logging.getLogger(__name__)

_FOLDER = "journal"
_FACTS = "facts.json"
_LOCK = ".lock"
_RECORD_START = b'{\n "order":'
_OWN_NAMES = {_FACTS, _FOLDER, MANIFEST, *SET_NAMES, "thumbnails", "empty", PROGRESS_FILE}


class Group(BaseModel):
    """Results of one finished group of scenes; the next group starts with scene `next_scene`.

    `files`: the images, labels and pictures of the group by relative path, with their sha256 hex.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    next_scene: int = Field(ge=0)
    images_judged: int = 0
    patches_generated: int = 0
    kept: tuple[ImageRow, ...] = ()
    refused: tuple[RefusedRow, ...] = ()
    files: dict[str, str] = {}


@dataclass
class RunJournal:
    """The groups of one run, in order."""

    folder: Path
    groups: list[Group] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "RunJournal":
        """The journal of the run in `folder`, empty before its first group.

        It ends before the first entry that is missing, empty or cut, or whose images are: that group and the
        later ones are made again, and their entries are removed.
        """
        journal = cls(folder)
        while (path := journal._entry(len(journal.groups))).exists():
            fault = journal._take(path)
            if fault:
                logger.warning("%s; it is made again from scene %d on", fault, journal.next_scene)
                break
        for path in _entries(folder)[len(journal.groups) :]:
            path.unlink()
        return journal

    def _take(self, path: Path) -> str | None:
        """Read one more entry; the fault if it cannot be used."""
        try:
            group = Group.model_validate_json(path.read_bytes())
        except ValidationError:
            return f"journal entry {path} is empty, cut or of another version"
        lost = [name for name, digest in group.files.items() if file_digest(self.folder / name) != digest]
        if lost:
            return f"{self.folder / lost[0]} is missing or damaged"
        self.groups.append(group)
        return None

    def _entry(self, index: int) -> Path:
        return self.folder / _FOLDER / f"{index:06d}.json"

    def add(self, group: Group) -> None:
        """Write one more group."""
        write_atomically(self._entry(len(self.groups)), group.model_dump_json().encode())
        self.groups.append(group)

    def delete(self) -> None:
        """Remove the journal from disk, after the set is complete; files of others in it stay."""
        for path in _entries(self.folder):
            path.unlink()
        with contextlib.suppress(OSError):
            (self.folder / _FOLDER).rmdir()

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


@contextmanager
def sole_run(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder, which is made if it is absent, for as long as the context lasts.

    Raises `OrderRefused` when another process works in the folder, or when it holds files of something else.
    """
    held_facts(folder)
    try:
        lock = FileLock(folder / _LOCK)
    except BlockingIOError:
        raise OrderRefused(
            f"another run is writing to {folder}; wait until it has ended, or give another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


def claim_folder(folder: Path, facts: RunFacts) -> None:
    """Record that the folder belongs to this run.

    Raises `OrderRefused` when it belongs to another run, holds files of something else, or when the record of
    its run is damaged and there is a journal that could be of another run.
    """
    path = folder / _FACTS
    held = held_facts(folder)
    if held == facts:
        return
    if held is not None:
        raise OrderRefused(
            f"{folder} holds a run of order {held.order.get('order')} ({held.order_digest[:12]}) by "
            f"generator {held.generator}; give order {facts.order_digest[:12]} by {facts.generator} another "
            "folder"
        )
    write_atomically(path, facts.model_dump_json(indent=1).encode())


def held_facts(folder: Path) -> RunFacts | None:
    """The facts of the run in the folder; None if there is none. Raises `OrderRefused` for other content."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise OrderRefused(f"{folder} is a file; give a folder for the labelled set")
    path = folder / _FACTS
    content = path.read_bytes() if path.exists() else None
    with contextlib.suppress(ValidationError):
        return RunFacts.model_validate_json(content or b"")
    with contextlib.suppress(LabelledSetBroken):
        return LabelledSet.open(folder).facts()
    names = sorted(p.name for p in folder.iterdir() if p.name != _LOCK)
    foreign = [name for name in names if not name.startswith(f".{_FACTS}.")]
    if content is not None and _is_cut_record(content):
        foreign = [name for name in foreign if name not in _OWN_NAMES]
    if foreign:
        raise OrderRefused(
            f"{folder} holds files of something else ({foreign[0]}); give a new or an empty folder"
        )
    if _entries(folder) or (folder / MANIFEST).exists():
        raise OrderRefused(
            f"{path} is empty or cut, so it is not known whose run {folder} holds; give another folder"
        )
    return None


def _is_cut_record(content: bytes) -> bool:
    """Whether this is nothing or the beginning of a record: what a full disk or a power cut leaves."""
    return not content.strip(b"\0 \n") or content.startswith(_RECORD_START)


def _entries(folder: Path) -> list[Path]:
    """The journal's entries, in order."""
    return sorted(p for p in (folder / _FOLDER).glob("*.json") if re.fullmatch(r"\d{6}", p.stem))
