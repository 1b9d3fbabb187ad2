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


def os_error_sentence(error: OSError) -> str:
    """One sentence for an error of the operating system."""
    what = error.strerror or (os.strerror(error.errno) if error.errno else str(error) or type(error).__name__)
    paths = [os.fsdecode(path) for path in (error.filename, error.filename2) if isinstance(path, str | bytes)]
    subject = f"{' -> '.join(paths)}: " if paths else ""
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{subject}{what}{f'; {remedy}' if remedy else ''}"
