"""Memory of a process tree on Linux, as proportional set sizes: a shared page counts once."""

from pathlib import Path

_PROC = Path("/proc")


def descendants(pid: int) -> list[int]:
    """The processes below one, in no order."""
    below: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text()
            except OSError:
                continue  # it ended
            parent = int(status.rpartition(")")[2].split()[1])
            below.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = below.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def memory_bytes(pids: list[int]) -> int:
    """Proportional set size of processes together; one that ended counts nothing."""
    return sum(_kib(pid, "Pss:") for pid in pids) * 1024


def _kib(pid: int, field: str) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
