"""`make trouble` itself: a fast part of its cases, and that it notices what it is there to notice."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.trouble import groups
from tests.trouble.bench import TRACEBACK, Bench
from tests.trouble.case import KINDS, Case, NotPossibleHere, Wrong
from tests.trouble.program import NOT_POSSIBLE, OWN_CASES, RIGHT, WRONG, attempt, figures, main, unused_inputs
from tests.trouble.soak import growth

INPUTS = Path(__file__).parents[3] / "shared" / "findings" / "inputs"
FAST = (
    "D-unknown-role",
    "F-message-that-is-a-folder",
    "A-image-of-zero-bytes-is-named",
    "O-order-with-an-unknown-key",
    "H-foreign-files-in-the-data-folder",
)


@pytest.mark.parametrize("name", FAST)
def test_a_case_of_the_harness_is_right_through_the_public_commands(name: str, tmp_path: Path) -> None:
    case = next(case for case in groups.all_cases() if case.name == name)
    outcome = attempt(case, tmp_path, None)
    assert outcome.state == RIGHT, outcome.line()


def test_there_are_enough_own_cases_and_at_least_two_of_every_kind() -> None:
    own = Counter(case.kind for case in groups.all_cases() if not case.handed)
    assert own.total() >= OWN_CASES
    assert {kind for kind in KINDS if own[kind] >= 2} == set(KINDS)


def test_every_handed_input_is_used_by_a_case() -> None:
    if not INPUTS.is_dir():
        pytest.skip(f"the handed inputs are not in {INPUTS}")
    assert unused_inputs(INPUTS) == []


def _case(check: object) -> Case:
    return Case("A-x", "A", "what is right", check)  # type: ignore[arg-type]


def test_a_case_is_wrong_for_a_sentence_that_is_missing_though_the_command_fails(tmp_path: Path) -> None:
    def check(bench: Bench) -> None:
        bench.refuses("blindspot-edge", "message", bench.folder / "none", prints=("another sentence",))

    outcome = attempt(_case(check), tmp_path, None)
    assert outcome.state == WRONG
    assert "another sentence" in outcome.detail
    assert "what is right" in outcome.detail


def test_a_traceback_a_secret_and_a_lost_file_make_a_case_wrong_and_are_counted(tmp_path: Path) -> None:
    def check(bench: Bench) -> None:
        bench.plant(bench.folder / "mine")
        (bench.folder / "mine" / "holiday.jpg").unlink()
        bench.secrets.add("geheim")
        bench.note(f"{TRACEBACK}:\n  geheim, geheim")

    outcome = attempt(_case(check), tmp_path, None)
    assert outcome.state == WRONG
    assert (outcome.tracebacks, outcome.secrets, outcome.files_lost) == (1, 2, 1)
    measured = {figure.name: (figure.value, figure.holds) for figure in figures([outcome])}
    assert measured["tracebacks_shown"] == (1, False)
    assert measured["secrets_in_logs"] == (2, False)
    assert measured["files_deleted_not_ours"] == (1, False)


def test_a_case_that_this_machine_cannot_make_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    def check(bench: Bench) -> None:
        raise NotPossibleHere("no ffmpeg")

    outcome = attempt(_case(check), tmp_path, None)
    assert outcome.state == NOT_POSSIBLE
    measured = {figure.name: figure.value for figure in figures([outcome])}
    assert (measured["own_cases_right"], measured["cases_not_possible_here"]) == (0, 1)


def test_a_program_that_ends_before_its_sentence_is_wrong(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tmp_path)
    program = bench.start("blindspot-edge", "node", "-c", "none.yaml")
    with pytest.raises(Wrong, match="ended with 1"):
        program.wait_for("a sentence that never comes", 30)
    bench.close()
    assert any("none.yaml" in text for text in bench.transcript)


def test_the_figures_are_written_and_the_exit_code_is_that_of_the_targets(tmp_path: Path) -> None:
    out = tmp_path / "figures" / "trouble.json"
    assert main(["--only", "^D-unknown-role$", "--out", str(out)]) == 1, "one case is fewer than sixty"
    written = {figure["name"]: figure for figure in json.loads(out.read_text())["figures"]}
    assert written["own_cases_right"]["value"] == 1
    assert written["own_cases_right"]["holds"] is False
    assert written["tracebacks_shown"]["holds"] is True


def test_growth_is_the_median_of_the_last_quarter_less_that_of_the_first() -> None:
    assert growth([10, 10, 10, 90, 12, 12, 11, 11]) == 1.0
