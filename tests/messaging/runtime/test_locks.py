"""A file lock: one holder, inherited by children, free when the last holder has ended."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from messaging.runtime.locks import FileLock


def test_a_second_holder_is_refused_until_the_first_releases(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "folder" / "lock")
    with pytest.raises(BlockingIOError):
        FileLock(tmp_path / "folder" / "lock")
    first.release()
    first.release()
    FileLock(tmp_path / "folder" / "lock").release()


def test_a_wait_for_a_lock_ends_in_time(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    started = time.monotonic()
    with pytest.raises(BlockingIOError):
        FileLock(tmp_path / "lock", wait_s=0.2)
    assert 0.2 <= time.monotonic() - started < 5.0
    lock.release()


def test_a_child_that_inherits_the_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.descriptor]
    )
    lock.release()
    with pytest.raises(BlockingIOError):
        FileLock(tmp_path / "lock")
    child.communicate(b"\n", timeout=60)
    FileLock(tmp_path / "lock").release()
