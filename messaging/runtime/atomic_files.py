"""Writing whole files: after a crash the old or the new content is there, never a part of it."""

import os
import tempfile
from pathlib import Path

SECRET_MODE = 0o600


def write_atomically(path: Path, data: bytes) -> None:
    """Write a temporary file, sync it, rename it, sync the folder; folders are created as needed.

    A new file can be read by its owner only until someone changes its mode.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read (mode 0600), atomically, in a folder of mode 0700."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(path, data)
    os.chmod(path, SECRET_MODE)
