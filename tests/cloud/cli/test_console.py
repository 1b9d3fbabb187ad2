"""Lists are printed as a table or as JSON."""

import json
import sys
from collections.abc import Sequence

import pytest
from pydantic import BaseModel
from rich.console import Console

from cloud.cli import console
from cloud.cli.console import print_table, show_list


class Lamp(BaseModel):
    name: str
    lit: bool


LAMPS = (Lamp(name="quay", lit=True), Lamp(name="mole", lit=False))


def _show(found: Sequence[Lamp], *, as_json: bool) -> None:
    show_list(
        found,
        as_json,
        title="Lamps",
        columns=("lamp", "lit"),
        row=lambda lamp: (lamp.name, lamp.lit),
        empty="No lamp yet.",
    )


def test_a_program_gets_the_whole_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    _show(LAMPS, as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"name": "quay", "lit": True},
        {"name": "mole", "lit": False},
    ]
    _show((), as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_the_table_has_one_row_per_item_or_is_a_sentence_without_items(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _show(LAMPS, as_json=False)
    printed = capsys.readouterr().out
    assert "quay" in printed
    assert "no" in printed
    _show((), as_json=False)
    assert capsys.readouterr().err.strip() == "No lamp yet."


def test_cells_and_titles_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Plan [bold]", ("place", "[x]"), [("/data/[north]/[/x]", ":smile: [red]")], "")
    printed = capsys.readouterr().out
    for text in ("Plan [bold]", "[x]", "/data/[north]/[/x]", ":smile: [red]"):
        assert text in printed


def test_no_cell_is_cut_or_broken_where_the_output_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = [(f"01M3{'X' * 22}", "pothole.night-rain.missed", "a sentence that takes its room " * 4)] * 2
    print_table("Campaigns", ("campaign", "failure modes", "note"), rows, "")
    printed = capsys.readouterr().out
    assert all(printed.count(cell.strip()) == 2 for cell in rows[0])


@pytest.mark.parametrize("width", [40, 80, 200])
def test_an_identifier_is_whole_on_every_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Console(file=sys.stdout, width=width, force_terminal=True, markup=False, color_system=None)
    monkeypatch.setattr(console, "out", terminal)
    mode, site = "unknown.night-unknown.wrong_class", "s" * 38
    columns = ("failure mode", "status", "harm", "sites", "site", "why")
    row = (mode, "in_campaign", 0.5, 3, site, "as the sentence says which is long enough to be folded")
    print_table("Modes", columns, [row, row], "")
    printed = capsys.readouterr().out
    assert (printed.count(mode), printed.count(site)) == (2, 2)
    assert all(len(line) <= width for line in printed.splitlines())


def test_a_terminal_folds_what_is_no_identifier(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Console(file=sys.stdout, width=80, force_terminal=True, markup=False, color_system=None)
    monkeypatch.setattr(console, "out", terminal)
    print_table("Modes", ("id", "why"), [("x" * 40, "word " * 30)], "")
    printed = capsys.readouterr().out
    assert ("x" * 40 in printed, printed.count("word"), "│" in printed) == (True, 30, True)
