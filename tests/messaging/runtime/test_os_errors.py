"""Errors of the operating system as sentences."""

import errno
from pathlib import Path

import pytest

from messaging.runtime.os_errors import os_error_sentence


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
