"""What the names of images and recordings state: their order, their time, and whether they are unfinished."""

import datetime
import re
from pathlib import Path

_NUMBER = re.compile(r"([0-9]+)")
_DATE = re.compile(
    r"(?<![0-9])(20[0-9]{2})[-_.]?([01][0-9])[-_.]?([0-3][0-9])[-_.T ]{0,2}"
    r"([0-2][0-9])[-_.:h]?([0-5][0-9])[-_.:m]?([0-5][0-9])(?:[.,]?([0-9]{3}))?(?![0-9])"
)
_EPOCH = re.compile(r"[^0-9]*(1[0-9]{9})(?:\.([0-9]{1,9})|([0-9]{3}))?")
_UNFINISHED = frozenset(
    {".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download", ".lock"}
)


def natural_key(path: Path) -> tuple[tuple[tuple[bool, int, str], ...], str]:
    """Sorts frame2 before frame10: numbers count as numbers, the rest as text without regard to case."""
    parts = [part for part in _NUMBER.split(path.stem.lower()) if part]
    return (
        tuple((False, int(p), "") if p.isascii() and p.isdigit() else (True, 0, p) for p in parts),
        path.name,
    )


def name_time_s(path: Path) -> float | None:
    """Seconds since 1970 that a name states clearly, None otherwise.

    That is one date with the time of day to the second (20260131_235959, also with milliseconds after a
    point), read as UTC, or a name of text and seconds or milliseconds since 1970.
    """
    dates = _DATE.findall(path.stem)
    if len(dates) == 1:
        *day_and_time, milliseconds = dates[0]
        try:
            moment = datetime.datetime(*map(int, day_and_time), tzinfo=datetime.UTC)  # type: ignore[arg-type, misc]  # six numbers
        except ValueError:
            return None
        return moment.timestamp() + int(milliseconds or 0) / 1000
    epoch = _EPOCH.fullmatch(path.stem)
    if epoch is None:
        return None
    fraction = epoch[2] or epoch[3]
    return int(epoch[1]) + (float(f"0.{fraction}") if fraction else 0.0)


def is_unfinished(path: Path) -> bool:
    """Whether the name is one under which programs write or copy before they rename: .name, name.part.mp4."""
    return path.name.startswith((".", "~")) or not _UNFINISHED.isdisjoint(s.lower() for s in path.suffixes)
