"""A power cut: what is left of a folder when everything that was never synced is lost.

Patches `os.fsync`, which only `messaging.runtime.atomic_files` calls (a rule checks that). A synced file has
the content of its last sync, a synced folder the names of its last sync; everything else is lost. The cut
comes before a chosen sync. Inodes are kept open, so that none is used twice.
"""

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest


class PowerCutError(BaseException):
    """The power is gone; nothing of the program runs on."""


class Unsynced(Enum):
    """What becomes of that which was not synced, among what a file system may do."""

    LOST = "names and contents are lost"
    NAMES_KEPT = "names are kept, contents are lost"


class Ignored(Enum):
    """Syncs that a mutant leaves out."""

    NONE = "none"
    FILES = "without fsync of files"
    FOLDERS = "without fsync of folders"


@dataclass
class _Folder:
    names: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


class PowerCut:
    """The disk below one folder. `cut_before`: the number of the sync, from 1, that never happens."""

    def __init__(self, root: Path, *, cut_before: int = 0, ignored: Ignored = Ignored.NONE) -> None:
        self._root, self._cut_before, self._ignored = root, cut_before, ignored
        self._contents: dict[int, bytes] = {}
        self._folders: dict[int, _Folder] = {}
        self._kept_open: dict[int, int] = {}
        self._now: tuple[int, dict[int, _Folder]] | None = None
        self.syncs = 0
        self._remember_tree(self._folders, self._contents)

    def fsync(self, descriptor: int) -> None:
        """In place of `os.fsync`."""
        found = os.fstat(descriptor)
        self.syncs += 1
        if self.syncs == self._cut_before:
            self._cut()
            raise PowerCutError
        if self._now is not None:
            raise PowerCutError
        self._keep_open(f"/proc/self/fd/{descriptor}", found.st_ino)
        if stat.S_ISDIR(found.st_mode):
            if self._ignored is not Ignored.FOLDERS:
                self._folders[found.st_ino] = self._listed(Path(f"/proc/self/fd/{descriptor}"))
        elif self._ignored is not Ignored.FILES:
            self._contents[found.st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def survivors(self, place: Path, unsynced: Unsynced) -> Path:
        """Write what is left to a new folder, which is returned."""
        if self._now is None:
            self._cut()
        assert self._now is not None
        root, names = self._now
        self._write(place, root, names if unsynced is Unsynced.NAMES_KEPT else self._folders)
        return place

    def close(self) -> None:
        """Forget all inodes."""
        for descriptor in self._kept_open.values():
            os.close(descriptor)
        self._kept_open.clear()

    def _cut(self) -> None:
        now: dict[int, _Folder] = {}
        self._remember_tree(now, {})
        self._now = (self._root.stat().st_ino, now)

    def _remember_tree(self, folders: dict[int, _Folder], contents: dict[int, bytes]) -> None:
        for path in (self._root, *self._root.rglob("*")):
            found = path.lstat()
            self._keep_open(str(path), found.st_ino)
            if stat.S_ISDIR(found.st_mode):
                folders[found.st_ino] = self._listed(path)
            elif stat.S_ISREG(found.st_mode):
                contents[found.st_ino] = path.read_bytes()

    def _listed(self, path: Path) -> _Folder:
        listed = _Folder()
        for entry in os.scandir(path):
            if entry.is_symlink():
                listed.links[entry.name] = os.readlink(entry.path)
            else:
                listed.names[entry.name] = entry.inode()
                self._keep_open(entry.path, entry.inode())
        return listed

    def _keep_open(self, path: str, inode: int) -> None:
        if inode not in self._kept_open:
            with contextlib.suppress(OSError):
                self._kept_open[inode] = os.open(path, os.O_RDONLY)

    def _write(self, place: Path, inode: int, folders: dict[int, _Folder]) -> None:
        place.mkdir()
        listed = folders.get(inode, _Folder())
        for name, target in listed.links.items():
            (place / name).symlink_to(target)
        for name, child in listed.names.items():
            kind = os.fstat(self._kept_open[child]).st_mode
            if stat.S_ISDIR(kind):
                self._write(place / name, child, folders)
            else:
                (place / name).write_bytes(self._contents.get(child, b""))
                (place / name).chmod(stat.S_IMODE(kind))


@dataclass(frozen=True)
class DurableWork:
    """Work on a folder, and what must hold of what a power cut leaves of it.

    Attributes:
        prepare: makes the folder's first state, which is on the disk.
        work: writes; notes in the list each promise that it has given, when it is given.
        check: raises `AssertionError`, or any error, unless the promises hold in what is left.
    """

    prepare: Callable[[Path], None]
    work: Callable[[Path, list[int]], None]
    check: Callable[[Path, list[int]], None]


def cut_everywhere(work: DurableWork, folder: Path, *, ignored: Ignored = Ignored.NONE) -> int:
    """Cut the power before every sync of the work and after its end; the number of cuts that were checked.

    Raises `AssertionError` with the place of the cut and what `check` found.
    """
    cuts, number = 0, 0
    while True:
        number += 1
        place = folder / str(number)
        (place / "disk").mkdir(parents=True)
        work.prepare(place / "disk")
        promises: list[int] = []
        power = PowerCut(place / "disk", cut_before=number, ignored=ignored)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "fsync", power.fsync)
            with contextlib.suppress(PowerCutError):
                work.work(place / "disk", promises)
        ended = power.syncs < number
        for unsynced in Unsynced:
            left = power.survivors(place / unsynced.name, unsynced)
            try:
                work.check(left, promises)
            except Exception as error:
                where = f"power cut before sync {number}, {unsynced.value}"
                raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
            cuts += 1
        power.close()
        if ended:
            return cuts
