"""Experiments by the public command: listed, run, and their recorded figures printed."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from cloud.cli.local import experiments
from cloud.cli.local.experiments import EXPERIMENTS, figures_path
from messaging.figures import Figure, read_figures
from tests.support.command_line import blindspot
from tests.support.figures.writing import written

ROOT = Path(__file__).parents[4]


def test_every_experiment_is_a_module_whose_main_reads_its_own_options() -> None:
    for name, one in EXPERIMENTS.items():
        spec = importlib.util.find_spec(one.module)
        assert spec is not None, name
        assert spec.origin is not None
        assert "\ndef main(" in Path(spec.origin).read_text(encoding="utf-8"), name


def test_every_figure_file_of_a_make_target_is_that_of_the_command() -> None:
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\(EXPERIMENT\) ([a-z-]+)", recipes)) == set(EXPERIMENTS)
    assert re.findall(r"python -m \S*experiments\S*", recipes) == []


def test_the_wire_format_is_measured_and_then_reported(tmp_path: Path) -> None:
    pytest.importorskip("asn1tools", reason="needs asn1tools, of extra dev")
    done = blindspot("experiment", "run", "wire-format", "--out", tmp_path)
    assert (done.returncode, done.stdout.startswith("| message |")) == (0, True)
    path = figures_path("wire-format", tmp_path)
    shown = blindspot("experiment", "report", "wire-format", "--out", tmp_path)
    for figure in read_figures(path).figures:
        assert f" {figure.name} " in shown.stdout
    as_json = blindspot("experiment", "report", "--out", tmp_path, "--json")
    assert json.loads(as_json.stdout)["wire-format"] == json.loads(path.read_text())
    assert f"not recorded in {tmp_path / 'figures'}: evidence," in as_json.stderr
    listed = json.loads(blindspot("experiment", "list", "--out", tmp_path, "--json").stdout)["experiments"]
    assert {one["name"] for one in listed if one["recorded"]} == {"wire-format"}


def test_what_follows_two_dashes_is_given_to_the_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    class Module:
        @staticmethod
        def main() -> int:
            seen.append(sys.argv[1:])
            return 1

    monkeypatch.setattr(experiments, "import_module", lambda _: Module)
    before = list(sys.argv)
    done = blindspot("experiment", "run", "demo-control", "--out", tmp_path, "--", "--demo", "elsewhere")
    out = str(tmp_path / "figures" / "demo_control.json")
    assert seen == [["--demo", f"{tmp_path}/demo", "--out", out, "--demo", "elsewhere"]]
    assert (done.returncode, sys.argv) == (1, before)


def test_a_target_that_does_not_hold_is_reported_as_such(tmp_path: Path) -> None:
    written(figures_path("teacher-bias", tmp_path), [Figure("bias", 2.0, "points", "<= 1", n=3)])
    done = blindspot("experiment", "report", "teacher-bias", "--out", tmp_path)
    assert (done.returncode, "does not hold" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "nothing"), "error: there is no experiment 'nothing'; there are evidence, "),
        (("report", "nothing"), "error: there is no experiment 'nothing'; there are evidence, "),
    ],
)
def test_an_unknown_experiment_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    done = blindspot("experiment", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(sentence)


def test_missing_packages_are_named_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "_installed", lambda package: package != "cbor2")
    done = blindspot("experiment", "run", "wire-format", "--out", tmp_path)
    assert done.stderr == (
        "error: experiment wire-format needs cbor2; install the package with extra `dev`\n"
    )
    assert not (tmp_path / "figures").exists()


def test_a_damaged_file_of_figures_is_one_sentence(tmp_path: Path) -> None:
    path = figures_path("teacher-bias", tmp_path)
    path.parent.mkdir()
    path.write_text('{"figures": [{"value": 1}]}')
    done = blindspot("experiment", "report", "--out", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"{path} has other content than figures" in done.stderr
