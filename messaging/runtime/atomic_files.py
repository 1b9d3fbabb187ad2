"""Writing whole files: after a crash the old or the new content is there, never a part of it."""

import os
import tempfile
from pathlib import Path

SECRET_MODE = 0o600


def write_atomically(path: Path, data: bytes) -> None:
    """Write a temporary file, sync it, rename it, sync the folder; folders are created as needed.

    A new file can be read by its owner only until someone changes its mode. An `OSError` names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error  # writing names no file itself
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        os.close(descriptor)


def remove_durably(path: Path) -> None:
    """Remove a file, if it is there, so that it is still absent after a power cut."""
    if path.exists():
        path.unlink()
        _sync_folder(path.parent)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read (mode 0600), atomically, in a folder of mode 0700."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(path, data)
    os.chmod(path, SECRET_MODE)
