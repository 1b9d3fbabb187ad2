"""The tiny profile, from an empty folder to the end of a campaign, by every command of the page."""

from pathlib import Path

import pytest

from edge.gate.ledger_entries import verify
from tests.rehearsal.page import BlockKind, blocks
from tests.rehearsal.program import PAGE, TINY, rehearse
from tests.support.cameras.rtsp_camera import missing_packages


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_of_the_page_runs_and_the_campaign_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if (missing := missing_packages()) is not None:
        pytest.skip(missing)
    done = rehearse(tmp_path, TINY)
    figures = {figure.name: figure.value for figure in done.figures}
    commands = [c for b in blocks(PAGE) if b.kind is not BlockKind.VALUES for c in b.commands]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("$ ", 1)[1].removesuffix(" &") for line in lines if "  $ " in line] == commands
    assert figures["commands_by_hand"] == len(commands)
    assert figures["demo_imports"] == 0
    assert (done.campaign["state"], done.campaign["reason"]) == ("done", "")
    assert {stage["state"] for stage in done.campaign["stages"]} == {"done"}
    assert verify(tmp_path / "deployment" / "harbour" / "gate" / "ledger").head.n > 0
    assert {name for name in figures if name.startswith("start_s_")} == {
        f"start_s_{name}" for name in ("cloud", "page", "broker", "gate", "node")
    }
