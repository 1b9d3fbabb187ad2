"""The lock that keeps two processes from running the campaigns of one data folder."""

from collections.abc import Iterator
from contextlib import contextmanager

from cloud.errors import AlreadyRunning
from cloud.settings import DataFolder
from messaging.runtime.locks import FileLock


@contextmanager
def sole_process(folder: DataFolder) -> Iterator[None]:
    """Hold the data folder's lock for as long as the context lasts. Raises `AlreadyRunning`."""
    try:
        lock = FileLock(folder.lock)
    except BlockingIOError:
        raise AlreadyRunning(
            f"another process runs the cloud on {folder.lock.parent}; stop it, or give another folder with "
            "--data"
        ) from None
    try:
        yield
    finally:
        lock.release()
