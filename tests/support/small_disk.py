"""Small disks for tests: a tmpfs of its own that can be filled and given room again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PAGE = 4096


class SmallDisk:
    """A mounted disk; `folder` is inside it."""

    def __init__(self, mounted: Path) -> None:
        self.folder = mounted
        self._filler = mounted / "filler"

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take all room but so many bytes."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while self.free_bytes > leave_bytes:
                    file.write(b"\0" * min(2**20, max(_PAGE, self.free_bytes - leave_bytes)))
            except OSError:
                return

    def make_room(self) -> None:
        """Give back what `fill` took."""
        self._filler.unlink(missing_ok=True)

    @property
    def free_bytes(self) -> int:
        """Room that is left."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize


@contextmanager
def small_disk(place: Path, megabytes: float) -> Iterator[SmallDisk]:
    """A disk of this size at an empty place; the test is skipped where nothing can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk (tmpfs)")
    place.mkdir(parents=True, exist_ok=True)
    size = f"size={int(megabytes * 2**20)}"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("a small disk (tmpfs) cannot be mounted here")
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
