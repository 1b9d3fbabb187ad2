"""Checks of folders, files, ports, disks and clocks that a program needs, made before it starts.

Programs call `require`, which raises for the first fault; the doctors print every result. A check changes
nothing that stays: the write test makes one temporary file and removes it. A `DiskAlarm` watches the disk of
a program that runs.
"""

import logging
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from messaging.errors import BlindspotError, StartRefused
from messaging.runtime.os_errors import os_error_sentence

logger = logging.getLogger(__name__)

MIN_FREE_BYTES = 256 * 2**20
FULL_BYTES, ROOM_BYTES = 2**20, 2 * 2**20
MIN_FREE_INODES = 1000
FUTURE_LIMIT_S = 300.0


@dataclass(frozen=True)
class CheckResult:
    """The result of one check: `detail` is a version, path or measurement, or the fault and its remedy.

    With `warning` the program runs, but not as configured or not as fast as it could. `cause` is the error
    that a failed check met.
    """

    name: str
    ok: bool
    detail: str
    warning: bool = False
    cause: Exception | None = field(default=None, compare=False)

    def as_values(self) -> dict[str, bool | str]:
        """The result for programs, without its name."""
        return {"ok": self.ok, "warning": self.warning, "detail": self.detail}

    @property
    def mark(self) -> tuple[str, str]:
        """Its mark in a doctor's list, and the colour of it."""
        if not self.ok:
            return "FAULT", "red"
        return (" WARN", "yellow") if self.warning else ("   ok", "green")


def require(results: Iterable[CheckResult]) -> None:
    """Raise `StartRefused` with the sentence of the first check that failed."""
    for result in results:
        if not result.ok:
            raise StartRefused(f"{result.name}: {result.detail}") from result.cause


def opened(name: str, open_it: Callable[[], object]) -> CheckResult:
    """Whether `open_it` succeeds; its result, if it is a text, is the detail."""
    try:
        found = open_it()
    except BlindspotError as error:
        return CheckResult(name, False, str(error), cause=error)
    except OSError as error:
        return CheckResult(name, False, os_error_sentence(error), cause=error)
    return CheckResult(name, True, found if isinstance(found, str) else "fine")


def writable_folder(name: str, folder: Path) -> CheckResult:
    """Whether files can be made in the folder, or the folder itself in the nearest one that exists."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return CheckResult(name, False, f"{place} is a file; name a folder")
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".blindspot-check-", buffering=0) as file:
            file.write(b"\0" * 4096)
    except OSError as error:
        named = OSError(error.errno, error.strerror, str(place))
        return CheckResult(name, False, os_error_sentence(named), cause=error)
    return CheckResult(name, True, str(folder))


def readable_file(name: str, path: Path) -> CheckResult:
    """Whether the file is there, is not empty and can be read."""
    try:
        if not path.is_file():
            there = (
                "is not a regular file; name a file" if path.exists() else "does not exist; check the path"
            )
            return CheckResult(name, False, f"{path} {there}")
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        return CheckResult(name, False, os_error_sentence(error))
    return CheckResult(name, not empty, f"{path} is empty; restore it" if empty else str(path))


def private_file(name: str, path: Path) -> CheckResult:
    """Whether only the owner may read the file (no permission of group or others)."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return CheckResult(name, False, os_error_sentence(error), cause=error)
    if mode & 0o077:
        return CheckResult(name, False, f"{path} has mode {mode:04o}; others may read it: chmod 600 {path}")
    return CheckResult(name, True, f"{path} (mode {mode:04o})")


def warn_of_readable(secrets: Iterable[tuple[str, Path]]) -> tuple[str, ...]:
    """Log a sentence for each secret (name, file) that group or others may read; returns the sentences.

    For programs that start all the same: an orchestrator may have chosen the mode of what it mounts. A file
    that is not there is left out; whoever needs it reports that.
    """
    found = [private_file(name, path) for name, path in secrets]
    sentences = tuple(f"{one.name}: {one.detail}" for one in found if not one.ok and one.cause is None)
    for sentence in sentences:
        logger.warning("%s", sentence)
    return sentences


def disk_space(name: str, folder: Path, *, min_bytes: int = MIN_FREE_BYTES) -> CheckResult:
    """Whether the folder's disk has space and inodes left."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free, inodes = shutil.disk_usage(folder).free, os.statvfs(folder)
    except OSError as error:
        return CheckResult(name, False, os_error_sentence(error))
    detail = f"{free / 2**30:.1f} GiB free on the disk of {folder}"
    if free < min_bytes:
        return CheckResult(name, False, f"{detail}, at least {min_bytes / 2**30:.2f} are needed; free space")
    if inodes.f_files and inodes.f_favail < MIN_FREE_INODES:
        return CheckResult(
            name, False, f"{inodes.f_favail} inodes free on the disk of {folder}; remove files"
        )
    return CheckResult(name, True, detail)


class DiskAlarm:
    """Watches the disk of a folder while a program runs: full below 1 MiB or without inodes.

    `problem` is the sentence while it is full (until it has 2 MiB again), else None; `free_bytes` is what it
    had at the last check.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problem: str | None = None
        self.free_bytes = 0

    def check(self) -> str | None:
        """Measure now, log a change, and return `problem`."""
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            return self.problem  # whoever uses the folder reports why it is not there
        self.free_bytes = disk.f_bavail * disk.f_frsize
        full = self.free_bytes < (FULL_BYTES if self.problem is None else ROOM_BYTES)
        full |= bool(disk.f_files) and disk.f_favail == 0
        if full and self.problem is None:
            self.problem = f"the disk of {self._folder} is full; free space on it"
            logger.error("%s; nothing is lost, what cannot be stored waits", self.problem)
        elif not full and self.problem is not None:
            self.problem = None
            logger.info("the disk of %s has room again", self._folder)
        return self.problem


def free_port(name: str, host: str, port: int) -> CheckResult:
    """Whether a TCP server can listen there now; port 0 always can."""
    if not 0 <= port <= 65535:
        return CheckResult(name, False, f"{port} is not a port; choose one from 0 to 65535")
    try:
        with _server(host, port):
            pass
    except OSError as error:
        return CheckResult(name, False, f"{host}:{port}: {os_error_sentence(error)}")
    return CheckResult(name, True, f"{host}:{port} is free")


def listen_on(what: str, host: str, port: int) -> socket.socket:
    """A socket that listens there (port 0: any free one). Raises `StartRefused`; `what` names the setting."""
    try:
        return _server(host, port)
    except OSError as error:
        raise StartRefused(f"{what} {host}:{port}: {os_error_sentence(error)}") from None
    except OverflowError:
        raise StartRefused(f"{what} {port} is not a port; choose one from 0 to 65535") from None


def _server(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except socket.gaierror:
        raise
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0)) from None


def clock_after_files(
    name: str, paths: Iterable[Path], *, now_utc: Callable[[], float] = time.time
) -> CheckResult:
    """Whether this machine's clock is not behind the times of files that it wrote itself."""
    newest = max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)
    ahead_s = newest - now_utc()
    if ahead_s > FUTURE_LIMIT_S:
        return CheckResult(name, False, f"the clock is {ahead_s:.0f} s behind the newest file; set the clock")
    return CheckResult(name, True, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_utc())))
