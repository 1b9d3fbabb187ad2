"""`blindspot ledger verify|export SITE`: everything that a site has signed, and a copy of its ledger."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cloud.cli.main import app
from cloud.errors import NotKnown
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings
from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import HEAD_FILE, LEDGER_FILE, Outgoing
from tests.support.cloud.running_cloud import RunningCloud, running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.messaging.site_keys import site_key

KEY = site_key("harbour")
NOON = 1_800_014_400


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    settings = CloudSettings(data=tmp_path / "cloud", api=ApiSettings(port=0))
    with running_cloud(settings, lambda _: ScriptedStages()) as up:
        yield up


def _ledger(folder: Path, kind: str) -> Ledger:
    ledger = Ledger(folder, KEY)
    ledger.append([Outgoing(f"ID{n}", "s", kind, b"%d" % n) for n in range(9)], NOON)
    ledger.close()
    return ledger


def test_a_ledger_is_compared_entry_by_entry_and_one_that_its_owner_rewrote_is_seen(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    copy, data = tmp_path / "ledger", str(cloud.settings.data)

    def verified(*options: str) -> Result:
        return CliRunner().invoke(app, ["ledger", "verify", "harbour", "--data", data, *options])

    assert cloud.parts is not None
    assert isinstance(verified().exception, NotKnown)
    cloud.parts.reports.add_site("harbour")
    assert verified().exit_code == 1, "it has signed nothing"
    cloud.parts.ledgers.take([_ledger(copy, "hazard").checkpoint()])
    found = verified()
    assert found.exit_code == 0
    assert "has signed its ledger to entry 9" in found.stdout
    assert verified("--copy", str(copy)).exit_code == 0
    for name in (LEDGER_FILE, HEAD_FILE):
        (copy / name).unlink()
    rewritten = _ledger(copy, "recall")
    assert verified("--copy", str(copy)).exit_code == 1
    cloud.parts.ledgers.take([rewritten.checkpoint()])
    again = verified()
    assert again.exit_code == 1
    assert "another hash" in again.output


def test_the_entries_that_a_site_has_signed_are_exported_as_json_lines(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    def exported(*options: str) -> Result:
        data = str(cloud.settings.data)
        return CliRunner().invoke(app, ["ledger", "export", "harbour", "--data", data, *options])

    assert cloud.parts is not None
    cloud.parts.reports.add_site("harbour")
    written = _ledger(tmp_path / "ledger", "hazard")
    cloud.parts.ledgers.take([written.checkpoint()])
    file = tmp_path / "entries.jsonl"
    assert exported("--out", str(file)).exit_code == 0
    assert exported().stdout == file.read_text()
    last = json.loads(file.read_text().splitlines()[-1])
    assert last == {"n": 9, "hash": written.head.hash}
