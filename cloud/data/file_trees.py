"""The files of a dataset, in a folder or a ZIP file: listed once, read by relative path, and never changed.

Paths are relative, with forward slashes. What cannot be a part of a dataset (pipes, broken links, names that
are no text) is a fault; what file managers leave behind (`Thumbs.db`, `.DS_Store`, hidden files) is passed
over. A file that changes between the listing and the end of the reading is noticed.
"""

import os
import time
from pathlib import Path
from typing import Protocol

from cloud.data.faults import DataFindings, printable, some
from messaging.errors import FileFault
from messaging.runtime.os_errors import os_error_sentence

FILE_LIMIT_BYTES = 2**30
FILE_COUNT_LIMIT = 1_000_000
LEFT_BEHIND = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_CHANGING = "wait until the program that writes it has finished, then try again"

_Stamp = tuple[int, int, int]


class FileTree(Protocol):
    """The files of one dataset. `paths` is sorted."""

    origin: str
    paths: tuple[str, ...]

    def read(self, path: str, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        """The bytes of a file. Raises `FileFault`; its sentence begins with the relative path."""

    def report_changes(self, findings: DataFindings, still_s: float) -> None:
        """Record files that changed since the listing.

        If the newest file is younger than `still_s` seconds, wait until it is that old first.
        """


def passed_over(name: str) -> bool:
    """Whether a file or folder of this name is left behind by a file manager, or hidden."""
    return name.startswith(".") or name.lower() in LEFT_BEHIND


def is_plain_name(path: str) -> bool:
    """Whether a path is UTF-8 text without control characters, so that it can be written and shown."""
    return all(letter.isprintable() for letter in path)


class FolderTree:
    """A folder. Links are followed, a folder at most once."""

    def __init__(self, root: Path, findings: DataFindings) -> None:
        self.origin = str(root)
        self._root = root
        self._stamps = self._listed(findings)
        self.paths = tuple(sorted(self._stamps))

    def read(self, path: str, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        """See `FileTree`: also raises when the file is no longer as it was listed."""
        try:
            with (self._root / path).open("rb") as file:
                before = _stamp(os.fstat(file.fileno()))
                data = file.read(limit_bytes + 1)
                after = _stamp(os.fstat(file.fileno()))
        except OSError as error:
            error.filename = None
            raise FileFault(f"{path} cannot be read: {os_error_sentence(error)}") from None
        if len(data) > limit_bytes:
            raise FileFault(f"{path} is longer than {limit_bytes} bytes; no file of its kind is")
        if not self._stamps[path] == before == after:
            raise FileFault(f"{path} changed while it was read; {_CHANGING}")
        return data

    def report_changes(self, findings: DataFindings, still_s: float) -> None:
        """See `FileTree`."""
        newest_s = max((modified_ns for _, modified_ns, _ in self._stamps.values()), default=0) / 1e9
        age_s = time.time() - newest_s
        if 0 <= age_s < still_s:
            time.sleep(still_s - age_s)
        now = self._listed(DataFindings())
        changed = sorted(
            path for path in now.keys() | self._stamps.keys() if now.get(path) != self._stamps.get(path)
        )
        if changed:
            findings.fault(
                self.origin, f"{len(changed)} files changed while it was read: {some(changed)}", _CHANGING
            )

    def _listed(self, findings: DataFindings) -> dict[str, _Stamp]:
        stamps: dict[str, _Stamp] = {}
        folders, seen = [self._root], {os.path.realpath(self._root)}
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    inside = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                findings.fault(_shown(folder, self._root), *_os_fault(error))
                continue
            for entry in inside:
                if passed_over(entry.name):
                    continue
                if entry.is_dir():
                    real = os.path.realpath(entry.path)
                    if real not in seen:
                        seen.add(real)
                        folders.append(Path(entry.path))
                else:
                    self._list_file(entry, stamps, findings)
            if len(stamps) > FILE_COUNT_LIMIT:
                findings.fault(self.origin, f"holds more than {FILE_COUNT_LIMIT} files", "name one dataset")
                return {}
        return stamps

    def _list_file(self, entry: os.DirEntry[str], stamps: dict[str, _Stamp], findings: DataFindings) -> None:
        shown = _shown(Path(entry.path), self._root)
        if not is_plain_name(entry.path):
            findings.fault(shown, "its name is no printable UTF-8 text", "rename it")
            return
        try:
            if not entry.is_file():
                what = "a link to nothing" if entry.is_symlink() else "neither a file nor a folder"
                findings.fault(shown, f"is {what}", "remove it")
                return
            stamps[Path(entry.path).relative_to(self._root).as_posix()] = _stamp(entry.stat())
        except OSError as error:
            findings.fault(shown, *_os_fault(error))


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _shown(path: Path, root: Path) -> str:
    """A path relative to the dataset that can be printed whatever bytes its name has."""
    relative = path.relative_to(root).as_posix()
    return printable(os.fsencode(relative).decode("utf-8", "backslashreplace"))


def _os_fault(error: OSError) -> tuple[str, str]:
    error.filename = None
    what, _, remedy = os_error_sentence(error).partition("; ")
    return f"cannot be read ({what})", remedy or "check the disk"
