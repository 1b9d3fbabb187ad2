"""The tiny profile, from an empty folder to the end of a campaign, by every command of a page."""

from pathlib import Path

import pytest

from edge.gate.ledger_entries import verify
from tests.rehearsal import containers
from tests.rehearsal.deployment import PAGE
from tests.rehearsal.page import BlockKind, blocks
from tests.rehearsal.profiles import TINY
from tests.rehearsal.program import Rehearsal, rehearse
from tests.support.cameras.rtsp_camera import missing_packages

PROGRAMS = ("cloud", "page", "broker", "gate", "node")


def _assert_whole(done: Rehearsal, page: Path, log: str) -> None:
    """Every command of the page was run once, in order, and the campaign went through all its stages."""
    figures = {figure.name: figure.value for figure in done.figures}
    commands = [c for b in blocks(page) if b.kind is not BlockKind.VALUES for c in b.commands]
    lines = log.splitlines()
    assert [line.split("$ ", 1)[1].removesuffix(" &") for line in lines if "  $ " in line] == commands
    assert figures["commands_by_hand"] == len(commands)
    assert figures["demo_imports"] == 0
    assert (done.campaign["state"], done.campaign["reason"]) == ("done", "")
    assert {stage["state"] for stage in done.campaign["stages"]} == {"done"}
    assert {name for name in figures if name.startswith("start_s_")} == {f"start_s_{p}" for p in PROGRAMS}


@pytest.mark.timeout(1200)
def test_every_command_of_the_page_runs_and_the_campaign_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if (missing := missing_packages()) is not None:
        pytest.skip(missing)
    done = rehearse(tmp_path, TINY)
    _assert_whole(done, PAGE, capsys.readouterr().out)
    assert verify(tmp_path / "deployment" / "harbour" / "gate" / "ledger").head.n > 0


@pytest.mark.slow
@pytest.mark.timeout(7200)  # the images are built when they are not there yet
def test_every_command_of_the_page_runs_in_containers_that_are_confined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if (missing := missing_packages() or containers.missing_for_containers()) is not None:
        pytest.skip(missing)
    done = rehearse(tmp_path, TINY, containers=True)
    _assert_whole(done, containers.PAGE, capsys.readouterr().out)
    assert not [figure for figure in done.figures if figure.holds is False and figure.name != "minutes"]
