"""The report: one self-contained HTML file and its JSON."""

import json
from dataclasses import replace
from pathlib import Path

from cloud.demo.report import data_url, write_report
from messaging.figures import Figure
from tests.support.cloud.demo_results import RESULT


def test_the_report_is_self_contained_and_marks_targets_that_do_not_hold(tmp_path: Path) -> None:
    page = write_report(RESULT, tmp_path).read_text()
    assert "does not hold" in page
    assert "garbage" in page
    assert "http" not in page
    assert json.loads((tmp_path / "report.json").read_text())["images"]["kept"] == 80


def test_a_figure_that_the_run_did_not_expect_is_marked_so_and_not_as_failed(tmp_path: Path) -> None:
    result = replace(RESULT, not_expected={"worst_other_recall_change_points": "half of the epochs"})
    page = write_report(result, tmp_path).read_text()
    assert "not expected: half of the epochs" in page
    document = json.loads((tmp_path / "report.json").read_text())
    (figure,) = (f for f in document["figures"] if f["name"] == "worst_other_recall_change_points")
    assert figure["holds"] is None
    assert figure["not_expected"] == "half of the epochs"


def test_the_json_has_every_figure_with_its_target_and_no_sample(tmp_path: Path) -> None:
    write_report(replace(RESULT, samples=("data:image/jpeg;base64,AA==",)), tmp_path)
    document = json.loads((tmp_path / "report.json").read_text())
    figures = {figure["name"]: figure for figure in document["figures"]}
    assert figures["demo_minutes"] == {
        "name": "demo_minutes", "value": 11.0, "unit": "min", "target": "<= 12", "n": None, "interval": None,
        "not_expected": None, "holds": True,
    }  # fmt: skip
    assert "samples" not in document


def test_given_figures_and_introduction_replace_those_of_the_demo(tmp_path: Path) -> None:
    figures = [Figure("real_minutes", 3.0, "min")]
    page = write_report(RESULT, tmp_path, figures=figures, introduction="On <photographs>.").read_text()
    assert "<p>On &lt;photographs&gt;.</p>" in page
    assert "real_minutes" in page
    assert "demo_minutes" not in page


def test_targeted_rows_are_highlighted_and_missing_values_are_dashes(tmp_path: Path) -> None:
    page = write_report(RESULT, tmp_path).read_text()
    assert page.count('<tr class="target">') == 1
    fire = page.split("<td>fire</td>")[1].split("</tr>")[0]
    assert fire.count("–") == 2


def test_notes_are_text_and_never_markup(tmp_path: Path) -> None:
    page = write_report(replace(RESULT, notes=("<b>bold</b>",)), tmp_path).read_text()
    assert "<em>&lt;b&gt;bold&lt;/b&gt;</em>" in page


def test_samples_are_shown_inline(tmp_path: Path) -> None:
    path = tmp_path / "one.jpg"
    path.write_bytes(b"jpeg")
    sample = data_url(path)
    assert sample == "data:image/jpeg;base64,anBlZw=="
    assert f'src="{sample}"' in write_report(replace(RESULT, samples=(sample,)), tmp_path).read_text()
