"""Ctrl-C ends the command that follows a campaign, which states that the campaign continues."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.api.client import RemoteCloud
from cloud.cli.main import app
from messaging.resources import CampaignResource


class InterruptedCloud:
    """A cloud whose stream of events is interrupted by the keyboard."""

    def __enter__(self) -> "InterruptedCloud":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def watch(self, _campaign: str) -> Iterator[CampaignResource]:
        """Wait for the first event until Ctrl-C."""
        raise KeyboardInterrupt


def test_the_command_names_how_to_follow_or_end_the_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_folder: Path) -> InterruptedCloud:
        return InterruptedCloud()

    monkeypatch.setattr(RemoteCloud, "of_folder", interrupted)
    done = CliRunner().invoke(app, ["campaign", "watch", "C1"])
    said = " ".join(done.stderr.split())
    assert done.exit_code == 130
    assert "the campaign continues; follow it with `blindspot campaign watch C1`" in said
    assert "or end it with `blindspot campaign cancel C1`" in said
