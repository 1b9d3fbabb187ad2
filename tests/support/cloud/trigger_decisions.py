"""Counts how often a running cloud applies its rules, for tests that no further campaign starts."""

from typing import Any

import pytest

from cloud.campaigns import triggers
from tests.support.waiting import wait_until

FURTHER = 4


class CountedDecisions:
    """Replaces `triggers.decide` by the same function with a counter."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._number, self._decide = 0, triggers.decide
        monkeypatch.setattr(triggers, "decide", self._counted)

    def wait_for_more(self) -> None:
        """Wait until the rules were applied `FURTHER` times from now on."""
        enough = self._number + FURTHER
        wait_until(lambda: self._number >= enough)

    def _counted(self, *arguments: Any, **options: Any) -> list[triggers.Firing]:
        firings = self._decide(*arguments, **options)
        self._number += 1
        return firings
