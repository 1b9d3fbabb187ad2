"""Output folders that a program empties before it writes: only folders that an earlier run of it made.

A marker file names the program. A folder without the marker, or with anything in it that the program does not
make, is refused, and so is one that holds an input of the run.
"""

import json
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from messaging.errors import ConfigurationError, FileFault
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.locks import FileLock
from messaging.runtime.text_files import read_json

MARKER = ".blindspot-output.json"
_LOCK = ".blindspot-output.lock"


def claim_output_folder(
    folder: Path, program: str, *, makes: Collection[str], inputs: Iterable[Path] = ()
) -> FileLock:
    """Empty the folder of an earlier run, or make a new one, and hold its lock.

    Args:
        folder: the output folder.
        program: the name of the command, as it is in the marker.
        makes: names of all files and folders that the program makes directly in the folder.
        inputs: files and folders that the run reads; none may be in the folder.

    Raises:
        ConfigurationError: the folder is a file, holds anything else, holds an input, or is in use.
    """
    place = folder.resolve()
    for path in inputs:
        if path.resolve().is_relative_to(place):
            raise ConfigurationError(
                f"{path} is inside the output folder {folder}; choose another output folder"
            )
    if place.exists() and not place.is_dir():
        raise ConfigurationError(f"output folder {folder} is a file; choose another one")
    _refuse_foreign(folder, place, program, makes)
    place.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(place / _LOCK)
    except BlockingIOError:
        raise ConfigurationError(
            f"another run writes to {folder}; wait for it or choose another folder"
        ) from None
    write_atomically(place / MARKER, json.dumps({"program": program}).encode())
    for name in makes:
        _remove(place / name)
    return lock


def _refuse_foreign(folder: Path, place: Path, program: str, makes: Collection[str]) -> None:
    there = {path.name for path in place.iterdir()} if place.is_dir() else set()
    if not there:
        return
    try:
        made_by = read_json(place / MARKER)["program"]
    except (FileFault, KeyError, TypeError):
        made_by = None
    foreign = sorted(there - {*makes, MARKER, _LOCK})
    if made_by != program or foreign:
        what = f" ({foreign[0]!r} is in it)" if foreign else ""
        raise ConfigurationError(
            f"output folder {folder} is not empty and was not made by `{program}`{what}; "
            "choose a new folder or empty it yourself"
        )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
