"""Durable files: the only module that calls fsync. What returned from here is on the disk after a power cut.

Whole files and folders are replaced: after a crash the old or the new content is there, never a part of it.
A file's name is durable only once the folder that has it is synced, and so is a folder's own name. Programs
that append to files of their own (ledger, journal, open messages) call `sync` and `sync_folder` themselves.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

SECRET_MODE, GROUP_MODE = 0o600, 0o640
_FOLDER_MODE = 0o777


def sync(descriptor: int) -> None:
    """Wait until the disk has the content of an open file, or the names in an open folder."""
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder. An `OSError` names it."""
    _sync_path(folder)


def sync_tree(folder: Path) -> None:
    """Wait until the disk has everything in a folder that others wrote: contents first, then names."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.is_symlink():
            _sync_path(path)
    _sync_path(folder)


def make_folder(folder: Path, *, mode: int = _FOLDER_MODE) -> None:
    """Make a folder, and those above it that are missing, durably; one that is there stays as it is."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def write_atomically(path: Path, data: bytes, *, mode: int = SECRET_MODE) -> None:
    """Write a temporary file, sync it, rename it, sync the folder; folders are created as needed.

    The file has `mode` (its owner alone reads it, unless another is given). An `OSError` names the file.
    """
    with atomic_file(path, mode=mode) as file:
        file.write(data)


@contextmanager
def atomic_file(path: Path, *, mode: int = SECRET_MODE) -> Iterator[BinaryIO]:
    """`write_atomically` for content that is written piece by piece: the path is replaced at a clean end."""
    make_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            sync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error  # writing names no file itself
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def move_folder(aside: Path, target: Path) -> None:
    """Give a folder that was filled aside its name, once everything in it is on the disk."""
    sync_tree(aside)
    make_folder(target.parent)
    aside.rename(target)
    sync_folder(target.parent)


def remove_durably(path: Path) -> None:
    """Remove a file, if it is there, so that it is still absent after a power cut."""
    if path.exists():
        path.unlink()
        sync_folder(path.parent)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read (mode 0600), atomically, in a folder of mode 0700."""
    make_folder(path.parent, mode=0o700)
    write_atomically(path, data)
    os.chmod(path, SECRET_MODE)


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)
