"""The status that a failure mode had at a time, from its recorded changes. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from cloud.failure_modes.rules import FailureMode
from cloud.store.records import ModeChange, ModeStatus

OPEN = frozenset({ModeStatus.OPEN, ModeStatus.REOPENED})


def status_at(mode: FailureMode, changes: Sequence[ModeChange], at: int) -> ModeStatus | None:
    """Its status at a time; `changes` are its own, oldest first. None where it was not recorded.

    A mode without changes has the status that it has now. Raises nothing.
    """
    earlier = [change for change in changes if change.at <= at]
    if earlier:
        return earlier[-1].status
    return changes[0].before if changes else mode.state.status


def open_at(modes: Iterable[FailureMode], changes: Iterable[ModeChange], at: int) -> int | None:
    """The number of modes found by a time that were open or reopened then; None if one is not known."""
    by_mode = changes_by_mode(changes)
    found = [mode for mode in modes if mode.first_seen_utc <= at]
    statuses = [status_at(mode, by_mode.get(mode.key.id, ()), at) for mode in found]
    return None if None in statuses else sum(status in OPEN for status in statuses)


def changes_by_mode(changes: Iterable[ModeChange]) -> Mapping[str, Sequence[ModeChange]]:
    """Changes of each mode, in their order."""
    by_mode: dict[str, list[ModeChange]] = {}
    for change in changes:
        by_mode.setdefault(change.mode, []).append(change)
    return by_mode
