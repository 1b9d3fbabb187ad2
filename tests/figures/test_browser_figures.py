"""The one file of figures of the pages: everything that was measured, and what was not by a sentence."""

import datetime
import json
import sys
from pathlib import Path

import pytest

from messaging.figures import Figure, write_figures
from tests.support.figures.browser import DATABASES, SOURCES, main, merged, read

FILES = [source.file for source in SOURCES]
OWN_NAMES = {"api_fuzz_5xx": ("api_5xx",)} | {
    name: tuple(f"{name}_{database}" for database in DATABASES)
    for name in ("worst_list_p95_ms", "worst_page_interactive_s")
}


def write_all(folder: Path) -> None:
    """Every file as its program writes it, all targets met."""
    now = datetime.datetime.now(datetime.UTC)
    for source in SOURCES:
        names = [own for name in source.required for own in OWN_NAMES.get(name, (name,))]
        figures = [Figure(name, 0, "things", "= 0", n=3) for name in names]
        write_figures(folder / source.file, figures, command="make browser", now=now)


def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[dict[str, object]]]:
    out = folder / "browser.json"
    monkeypatch.setattr(sys, "argv", ["browser", "--folder", str(folder), "--out", str(out)])
    return main(), json.loads(out.read_text())["figures"]


def test_all_files_become_one_with_the_names_of_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(tmp_path)
    code, figures = run(tmp_path, monkeypatch)
    assert code == 0
    assert {one["name"] for one in figures} == {
        *("worst_list_p95_ms_sqlite", "worst_list_p95_ms_postgresql", "worst_page_interactive_s_sqlite"),
        *("worst_page_interactive_s_postgresql", "event_to_screen_p95_s", "first_load_mb", "axe_serious"),
        *("axe_serious_dialogs", "api_fuzz_5xx", "authorisation_leaks", "journeys_passed"),
        "campaign_start_clicks",
    }
    assert all((one["n"], one["holds"]) == (3, True) for one in figures)


@pytest.mark.parametrize("damage", [None, "", "[]", '{"figures'], ids=["missing", "empty", "list", "cut off"])
def test_a_file_that_cannot_be_read_is_named_with_its_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damage: str | None
) -> None:
    write_all(tmp_path)
    path = tmp_path / "authorisation.json"
    path.unlink() if damage is None else path.write_text(damage)
    code, figures = run(tmp_path, monkeypatch)
    assert code == 1
    assert capsys.readouterr().err == (
        "authorisation_leaks is not measured: authorisation.json cannot be read; "
        "run python -m tests.support.figures.authorisation\n"
    )
    missing = [one for one in figures if one["value"] is None]
    assert [(one["name"], one["holds"]) for one in missing] == [("authorisation_leaks", False)]


def test_a_file_without_its_figure_is_named(tmp_path: Path) -> None:
    write_all(tmp_path)
    documents = read(tmp_path, FILES)
    documents["live.json"] = {"figures": []}
    assert merged(documents)[1] == [
        "event_to_screen_p95_s is not measured: live.json does not have it; "
        "run python -m tests.browser.live_figures"
    ]


def test_one_database_is_enough(tmp_path: Path) -> None:
    write_all(tmp_path)
    documents = read(tmp_path, FILES)
    lists = documents["lists.json"]
    assert lists is not None
    kept = [one for one in lists["figures"] if one["name"].endswith("sqlite")]
    figures, sentences = merged({**documents, "lists.json": {"figures": kept}})
    assert sentences == []
    assert not any(one.name.endswith("postgresql") for one in figures)


def test_a_figure_that_misses_its_target_is_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(tmp_path)
    figures = [Figure("axe_serious", 1, "findings", "= 0"), Figure("first_load_mb", 0.5, "MB", "<= 1.5")]
    now = datetime.datetime.now(datetime.UTC)
    write_figures(tmp_path / "pages.json", figures, command="make browser", now=now)
    assert run(tmp_path, monkeypatch)[0] == 1
