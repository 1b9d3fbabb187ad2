"""A dataset in a ZIP file, read from the archive itself: nothing is extracted.

An archive can claim anything, so that names, links, counts and sizes are checked before the first byte is
expanded, and every file is expanded no further than its own claim.
"""

import os
import re
import stat
import zipfile
import zlib
from pathlib import Path

from cloud.data.faults import DataFindings, printable
from cloud.data.file_trees import FILE_COUNT_LIMIT, FILE_LIMIT_BYTES, is_plain_name, passed_over
from messaging.errors import FileFault
from messaging.runtime.os_errors import os_error_sentence

ARCHIVE_LIMIT_BYTES = 64 * 2**30
MOST_EXPANSION = 200
SMALL_BYTES = 2**20
_REMEDY = "make the ZIP file again from the folder"
_NOT_READABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)


class ZipTree:
    """The files of a ZIP file; see `FileTree`. A single folder that holds everything is left out of paths."""

    def __init__(self, path: Path, findings: DataFindings) -> None:
        self.origin = str(path)
        self._path = path
        self._stamp = _stamp(path)
        self._members = self._listed(findings)
        self.paths = tuple(sorted(self._members))

    def read(self, path: str, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        """See `FileTree`."""
        member = self._members[path]
        if member.file_size > limit_bytes:
            raise FileFault(f"{path} is longer than {limit_bytes} bytes; no file of its kind is")
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(member) as file:
                data = file.read(member.file_size + 1)
        except _NOT_READABLE as error:
            raise FileFault(
                f"{path} cannot be read from the ZIP file ({_reason(error)}); {_REMEDY}"
            ) from None
        if len(data) != member.file_size:
            raise FileFault(f"{path} has another length than the ZIP file states; {_REMEDY}")
        return data

    def report_changes(self, findings: DataFindings, still_s: float) -> None:
        """See `FileTree`; an archive is complete once its directory, at its end, can be read."""
        if _stamp(self._path) != self._stamp:
            findings.fault(
                self.origin, "changed while it was read", "wait until it is written, then try again"
            )

    def _listed(self, findings: DataFindings) -> dict[str, zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self._path) as archive:
                infos = archive.infolist()
        except _NOT_READABLE as error:
            findings.fault(self.origin, f"is a damaged or unfinished ZIP file ({_reason(error)})", _REMEDY)
            return {}
        if len(infos) > FILE_COUNT_LIMIT:
            findings.fault(self.origin, f"holds more than {FILE_COUNT_LIMIT} files", "split it")
            return {}
        if sum(info.file_size for info in infos) > ARCHIVE_LIMIT_BYTES:
            findings.fault(
                self.origin, f"expands to more than {ARCHIVE_LIMIT_BYTES // 2**30} GiB", "split it"
            )
            return {}
        members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            name = info.filename.replace("\\", "/")
            if info.is_dir() or any(passed_over(part) for part in name.split("/") if part not in ("", "..")):
                continue
            wrong = _wrong(info, name) or ("is there twice in it" if name in members else None)
            if wrong:
                findings.fault(printable(name), wrong, _REMEDY)
            else:
                members[name] = info
        return _without_top_folder(members)


def _wrong(info: zipfile.ZipInfo, name: str) -> str | None:
    """Why an entry of an archive cannot be read; None if it can."""
    if not is_plain_name(name):
        return "its name is no printable text"
    if name.startswith("/") or ".." in name.split("/") or re.match(r"[A-Za-z]:", name):
        return "its path leads out of the ZIP file"
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link or a special file"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.file_size > FILE_LIMIT_BYTES:
        return f"expands to more than {FILE_LIMIT_BYTES // 2**30} GiB"
    if info.file_size > SMALL_BYTES and info.file_size > MOST_EXPANSION * max(info.compress_size, 1):
        return f"expands to {info.file_size // max(info.compress_size, 1)} times its size, as no image does"
    return None


def _without_top_folder(members: dict[str, zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    tops = {name.partition("/")[0] for name in members}
    if len(tops) == 1 and all("/" in name for name in members) and not tops & {"images", "labels"}:
        return {name.partition("/")[2]: info for name, info in members.items()}
    return members


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ino


def _reason(error: Exception) -> str:
    return os_error_sentence(error) if isinstance(error, OSError) else str(error) or type(error).__name__
