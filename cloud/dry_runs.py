"""Dry runs: a change is validated by the code that would make it, and ends before anything is changed.

`with dry_run():` holds for what the block calls in its thread. A database transaction that has changed a row
is then rolled back and ends the run (`cloud.store.database`); what changes something else calls
`before_change` when everything is validated.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_active: ContextVar[bool] = ContextVar("dry_run", default=False)


class DryRunEnded(Exception):  # the end that is asked for, and no error
    """What was asked for is valid and would change something; nothing was changed."""


@contextmanager
def dry_run() -> Iterator[None]:
    """Change nothing in this block."""
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)


def active() -> bool:
    """Whether this is a dry run."""
    return _active.get()


def before_change() -> None:
    """What follows changes something: raises `DryRunEnded` in a dry run."""
    if active():
        raise DryRunEnded
