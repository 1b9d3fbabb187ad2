"""What `blindspot-edge` prints: brackets as they are, one sentence for every error, options that exist."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edge.cli import app, main
from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import LEDGER_FILE, Outgoing
from edge.gate.settings import GateSettings
from messaging.runtime.program import ExitCode
from tests.support.messaging.site_keys import site_key
from tests.support.trouble.node_folder import ROOT, NodeFolder, run_edge


@pytest.mark.parametrize("name", ["[north]", "[/x]", "[bold red]", "a [link=http://x]b[/link]", ":smile:"])
def test_brackets_in_a_path_are_printed_as_they_are(tmp_path: Path, name: str) -> None:
    config = NodeFolder(tmp_path / name).write_config()
    result = CliRunner().invoke(app, ["config", "validate", "-c", str(config)])
    assert (result.exit_code, result.stdout) == (0, f"{config}: fine\n")


def test_brackets_in_a_message_are_printed_as_they_are(tmp_path: Path) -> None:
    ledger = tmp_path / "led[ger]"
    done = run_edge("ledger", "verify", ledger)
    assert done.stderr == f"error: there is no ledger at {ledger}; give the gate's ledger folder\n"
    cameras = [{"name": "[/North]", "source": "usb:0"}]
    done = run_edge("config", "validate", "-c", NodeFolder(tmp_path / "s").write_config(cameras=cameras))
    assert "[/North]" in done.stderr


def test_the_gates_data_folder_in_place_of_its_ledger_folder_is_one_sentence(tmp_path: Path) -> None:
    settings = GateSettings.model_construct(data_folder=tmp_path)
    ledger = Ledger(settings.ledger_folder, site_key("s1"))
    ledger.append([Outgoing("A" * 26, "site.s1.report.hazard.A", "hazard", b"x")], 1_800_014_400)
    ledger.close()
    for command in ("verify", "show"):
        done = run_edge("ledger", command, settings.data_folder)
        assert (done.returncode, done.stdout) == (ExitCode.FAILED, "")
        missing = settings.data_folder / LEDGER_FILE
        assert done.stderr == f"error: there is no ledger at {missing}; give the gate's ledger folder\n"
    done = run_edge("ledger", "verify", settings.ledger_folder)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")


def test_a_ledger_is_exported_as_its_own_lines_and_never_over_itself(tmp_path: Path) -> None:
    folder, copy = tmp_path / "ledger", tmp_path / "copy.jsonl"
    ledger = Ledger(folder, site_key("s1"))
    ledger.append([Outgoing("A" * 26, "site.s1.report.hazard.A", "hazard", b"x")], 1_800_014_400)
    ledger.close()
    done = run_edge("ledger", "export", folder, "--out", copy)
    assert (done.returncode, done.stdout) == (ExitCode.OK, f"{copy}: has the 1 entries of {folder}\n")
    assert copy.read_bytes() == (folder / LEDGER_FILE).read_bytes()
    done = run_edge("ledger", "export", folder, "--out", folder / LEDGER_FILE)
    assert (done.returncode, "is the ledger itself" in done.stderr) == (ExitCode.FAILED, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "-c", "{}"),
        ("gate", "--config", "{}"),
        ("message", "{}"),
        ("message", "{}/absent"),
        ("ledger", "verify", "{}/absent"),
        ("ledger", "verify", "{}"),
        ("ledger", "export", "{}", "--out", "{}/copy"),
        ("config", "show", "-c", "{}/absent"),
        ("replay", "{}", "--bundle", "{}"),
        ("replay", "{}/absent", "--bundle", "{}/absent"),
        ("broker", "--site", "s1", "--folder", "/proc/nowhere"),
        ("broker", "--site", "s1", "--folder", "{}/file"),
    ],
)
def test_every_error_of_the_system_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("x")
    done = run_edge(*(argument.format(tmp_path) for argument in arguments))
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""


def _commands(group: typer.Typer) -> set[str]:
    names = {
        command.name or command.callback.__name__ for command in group.registered_commands if command.callback
    }
    return names | {sub.name for sub in group.registered_groups if sub.name}


def test_every_command_that_a_message_of_the_edge_names_exists() -> None:
    known = _commands(app)
    named = {
        found
        for path in (*ROOT.glob("edge/**/*.py"), *ROOT.glob("messaging/**/*.py"))
        for found in re.findall(r"blindspot-edge ([a-z]+)", path.read_text())
    }
    assert named
    assert named <= known


def test_the_entry_point_ends_with_the_exit_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["blindspot-edge", "config", "validate", "-c", str(tmp_path / "absent")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.FAILED
