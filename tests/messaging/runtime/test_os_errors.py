"""Errors of the operating system as sentences."""

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from messaging.errors import StartRefused
from messaging.runtime.os_errors import disk_is_full, os_error_sentence
from messaging.runtime.start_checks import require, writable_folder
from tests.support.small_disk import SmallDisk, small_disk


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), "/data/x: Read-only file system; mount"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free space"),
        (PermissionError(errno.EACCES, "Permission denied", "/k"), "/k: Permission denied; change its owner"),
        (
            FileExistsError(errno.EEXIST, "File exists", "/d"),
            "/d: File exists; a file of this name is in the way",
        ),
        (OSError(errno.EADDRINUSE, "Address already in use"), "Address already in use; choose another port"),
        (OSError(errno.EXDEV, "Invalid cross-device link", "/a", None, "/b"), "/a -> /b: Invalid cross"),
        (OSError("a text of a library"), "a text of a library"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_says_what_where_and_what_to_do(error: OSError, sentence: str) -> None:
    assert os_error_sentence(error).startswith(sentence)


def test_a_real_error_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        (tmp_path / "absent").read_bytes()
    assert os_error_sentence(caught.value) == f"{tmp_path}/absent: No such file or directory; check the path"


def _sqlite(disk: SmallDisk) -> None:
    connection = sqlite3.connect(disk.folder / "x.sqlite")
    connection.execute("CREATE TABLE t (x)")
    disk.fill()
    try:
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    finally:
        connection.close()


def _translated(disk: SmallDisk) -> None:
    disk.fill()
    try:
        (disk.folder / "x").write_bytes(b"x" * 5000)
    except OSError:
        raise StartRefused("the sentence of another module") from None


def _start_check(disk: SmallDisk) -> None:
    disk.fill()
    require([writable_folder("data folder", disk.folder)])


def _library(disk: SmallDisk) -> None:
    raise RuntimeError("I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("meets", [_sqlite, _translated, _start_check, _library])
def test_a_full_disk_is_recognised_in_every_error(tmp_path: Path, meets: Callable[[SmallDisk], None]) -> None:
    with (
        small_disk(tmp_path / "disk", 1) as disk,
        pytest.raises((sqlite3.OperationalError, StartRefused, RuntimeError)) as met,
    ):
        meets(disk)
    assert disk_is_full(met.value)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), ValueError("a full sentence")])
def test_other_errors_are_no_full_disk(error: Exception) -> None:
    assert not disk_is_full(error)
