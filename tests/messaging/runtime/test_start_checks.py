"""Checks before a program starts: each finds its fault, says the remedy, and leaves nothing behind."""

import logging
import os
import socket
import time
from pathlib import Path

import pytest

from messaging.errors import FileFault, StartRefused
from messaging.runtime.start_checks import (
    CheckResult,
    DiskAlarm,
    clock_after_files,
    disk_space,
    free_port,
    opened,
    private_file,
    readable_file,
    require,
    warn_of_readable,
    writable_folder,
)
from tests.support.small_disk import small_disk


def raised(error: Exception) -> object:
    raise error


def test_a_start_is_refused_with_the_first_fault() -> None:
    require([CheckResult("a", True, "fine")])
    with pytest.raises(StartRefused, match="data folder: /x is a file"):
        require([CheckResult("a", True, "fine"), CheckResult("data folder", False, "/x is a file")])


def test_a_check_that_opens_turns_an_error_into_its_sentence() -> None:
    assert opened("trust", lambda: "3 keys") == CheckResult("trust", True, "3 keys")
    assert opened("trust", lambda: raised(FileFault("empty"))) == CheckResult("trust", False, "empty")
    found = opened("trust", lambda: raised(PermissionError(13, "Permission denied", "/t")))
    assert (found.ok, found.detail.startswith("/t: Permission denied; change")) == (False, True)


def test_a_folder_is_writable_also_when_it_is_not_made_yet(tmp_path: Path) -> None:
    assert writable_folder("data", tmp_path / "a" / "b").ok
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    found = writable_folder("data", tmp_path / "file" / "b")
    assert (found.ok, found.detail) == (False, f"{tmp_path}/file is a file; name a folder")


def test_a_folder_on_a_read_only_volume_is_not_writable() -> None:
    found = writable_folder("data", Path("/proc/1"))
    assert not found.ok
    assert "/proc/1" in found.detail


def test_a_file_that_is_absent_empty_or_a_folder_is_not_readable(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "full").write_text("x")
    assert "does not exist" in readable_file("f", tmp_path / "absent").detail
    assert "is empty" in readable_file("f", tmp_path / "empty").detail
    assert "not a regular file" in readable_file("f", tmp_path).detail
    assert readable_file("f", tmp_path / "full").ok


def test_a_secret_that_others_may_read_is_a_fault_with_the_command_to_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "seed.nk"
    path.write_text("x")
    path.chmod(0o644)
    assert private_file("seed", path).detail == f"{path} has mode 0644; others may read it: chmod 600 {path}"
    path.chmod(0o600)
    assert private_file("seed", path).ok


def test_one_sentence_is_logged_for_each_secret_that_others_may_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    modes = {"private": 0o600, "of-the-group": 0o640, "of-all": 0o644}
    for name, mode in modes.items():
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(mode)
    found = warn_of_readable((name, tmp_path / name) for name in (*modes, "absent"))
    assert found == tuple(
        f"{name}: {path} has mode 0{mode}; others may read it: chmod 600 {path}"
        for name, mode, path in (
            ("of-the-group", 640, tmp_path / "of-the-group"),
            ("of-all", 644, tmp_path / "of-all"),
        )
    )
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [("WARNING", x) for x in found]


def test_a_disk_without_the_room_that_is_needed_is_a_fault(tmp_path: Path) -> None:
    assert disk_space("disk", tmp_path / "not" / "there", min_bytes=1).ok
    assert not disk_space("disk", tmp_path, min_bytes=2**60).ok


def test_a_port_in_use_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = free_port("API", "127.0.0.1", port)
        assert (found.ok, str(port) in found.detail) == (False, True)
    assert free_port("API", "127.0.0.1", port).ok
    assert not free_port("API", "127.0.0.1", 70000).ok


def test_a_clock_behind_the_files_it_wrote_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.touch()
    assert clock_after_files("clock", [path, tmp_path / "absent"]).ok
    os.utime(path, (time.time() + 86400,) * 2)
    assert "behind the newest file; set the clock" in clock_after_files("clock", [path]).detail


def test_a_disk_alarm_begins_and_ends_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with small_disk(tmp_path / "disk", 4) as disk, caplog.at_level(logging.INFO):
        alarm = DiskAlarm(disk.folder)
        assert alarm.check() is None
        disk.fill()
        assert [alarm.check(), alarm.check()] == [f"the disk of {disk.folder} is full; free space on it"] * 2
        assert alarm.free_bytes == 0
        disk.make_room()
        assert alarm.check() is None
        assert alarm.free_bytes > 2**21
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
