"""Operating-system errors as one sentence: what failed, on which file or address, what to do."""

import errno
import os

_REMEDIES = {
    errno.EROFS: "mount the volume writable or choose another folder",
    errno.EACCES: "change its owner or mode, or run as the user who may use it",
    errno.EPERM: "change its owner or mode, or run as the user who may use it",
    errno.ENOSPC: "free space on this disk",
    errno.EDQUOT: "free space in this user's quota",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a part of the path is a file; check the path",
    errno.EEXIST: "a file of this name is in the way of a folder; choose another path",
    errno.EISDIR: "it is a folder; name a file",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EADDRINUSE: "choose another port or stop the program that uses it",
    errno.EADDRNOTAVAIL: "choose an address of this machine",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close programs: the system's limit of open files is reached",
    errno.EIO: "check the disk: it reports an input/output error",
    errno.ENOTEMPTY: "empty the folder or choose another one",
    errno.ELOOP: "the path has a loop of symbolic links; check the path",
    errno.ENOMEM: "free memory",
}
_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
_FULL_WORDS = tuple(os.strerror(number) for number in _FULL_ERRNOS)
_FULL_SQLITE = (13, 4874)  # SQLITE_FULL, SQLITE_IOERR_SHMSIZE
_FULL_POSTGRESQL = "53100"  # disk_full


def os_error_sentence(error: OSError) -> str:
    """One sentence for an error of the operating system."""
    what = error.strerror or (os.strerror(error.errno) if error.errno else str(error) or type(error).__name__)
    paths = [os.fsdecode(path) for path in (error.filename, error.filename2) if isinstance(path, str | bytes)]
    subject = f"{' -> '.join(paths)}: " if paths else ""
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{subject}{what}{f'; {remedy}' if remedy else ''}"


def disk_is_full(error: BaseException) -> bool:
    """Whether an error, or one that caused it, is that of a disk or quota without room.

    Libraries that pass on no error number are recognised by the system's words for it.
    """
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        if (
            getattr(now, "errno", None) in _FULL_ERRNOS
            or getattr(now, "sqlite_errorcode", None) in _FULL_SQLITE
            or getattr(now, "sqlstate", None) == _FULL_POSTGRESQL
            or any(words in str(now) for words in _FULL_WORDS)
        ):
            return True
        now = now.__cause__ or now.__context__
    return False
