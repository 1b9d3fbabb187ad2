"""Fixtures of the tests of the command line."""

import pytest

from messaging.runtime import console


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are not wrapped."""
    for printer in (console.out, console.notes):
        monkeypatch.setattr(printer, "_width", 300)
