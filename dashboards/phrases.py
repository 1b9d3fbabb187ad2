"""Numbers and names as readable text: times, sizes, fractions. Pure; the current time is an argument."""

import time

MISSING = "–"


def ago(then: float | None, now: float) -> str:
    """`12 s ago`; `never` for None. Both times are seconds since 1970."""
    return "never" if then is None else f"{duration(max(now - then, 0.0))} ago"


def duration(seconds: float | None) -> str:
    """`45 s`, `12 min`, `5 h`, `4 days`; a dash for None."""
    if seconds is None:
        return MISSING
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 72 * 3600 else f"{seconds / 86400:.0f} days"


def clock_time(then: float) -> str:
    """`14:03:07`, the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(then))


def date(then: float) -> str:
    """`3 Nov`, the day in UTC, by which the cloud counts."""
    day = time.gmtime(then)
    return f"{day.tm_mday} {time.strftime('%b', day)}"


def full_date(then: float) -> str:
    """`30 Nov 2026` in UTC, for days that may be years away."""
    return f"{date(then)} {time.gmtime(then).tm_year}"


def size(length_bytes: float) -> str:
    """`812 B`, `1.4 kB`, `3.2 MB` (powers of ten)."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if length_bytes >= step:
            return f"{length_bytes / step:.1f} {unit}"
    return f"{length_bytes:.0f} B"


def percent(fraction: float | None) -> str:
    """`43 %` for 0.43; a dash for None."""
    return MISSING if fraction is None else f"{100 * fraction:.0f} %"


def readable(name: str) -> str:
    """`fallen_person` as `fallen person`."""
    return name.replace("_", " ")


def condition(key: str) -> str:
    """`night-rain` as `night, rain`."""
    return readable(key).replace("-", ", ")


def short(digest: str | None) -> str:
    """The first eight characters of a digest; a dash for none."""
    return digest[:8] if digest else MISSING
