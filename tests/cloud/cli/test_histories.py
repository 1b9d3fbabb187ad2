"""What commands print about the past of a cloud that is filled through its stores."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from cloud.cli.main import app
from cloud.store.records import EvaluationRow
from tests.support.cloud.filled_cloud import FilledCloud

pytestmark = pytest.mark.usefixtures("wide")

MODE = "fire.night-clear.missed"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    found = FilledCloud(tmp_path_factory.mktemp("cloud"))
    found.fill()
    found.start()
    yield found
    found.close()


def run(cloud: FilledCloud, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data", str(cloud.folder.root)])


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (("overview", "show"), ["sites online", "2 of 2", "open failure modes"]),
        (("overview", "trends"), ["hazards", "0 of 2", "note: heartbeats are kept only as the latest"]),
        (("overview", "trends", "--bucket", "hour", "--group", "nobody"), ["0 of 0"]),
        (("failures", "history", MODE), [MODE, "teacher 61", "34 %", "campaign"]),
        (
            ("failures", "cameras", MODE),
            [f"Cameras of {MODE}", "bridge", "92", "site", "13.40400", "52.52000"],
        ),
        (("failures", "cameras", MODE, "--group", "nobody"), ["No camera of these sites has"]),
        (
            ("sites", "show", "north"),
            ["reporting", "bridge: 5.0 fps", "epsilon 1 at its last", "epsilon left: 5.17", "dead letters"],
        ),
        (("cameras", "list"), ["decode errors", "12", "5.17", "8 in 30 days", "not reported"]),
        (
            ("cameras", "show", "north", "bridge"),
            ["north / bridge", "5 in, 4 processed, 1 skipped", "p50 ", "epsilon 1 spent at ", "55 % by day"],
        ),
        (
            ("cameras", "show", "north", "market"),
            ["account lost, counts as spent", "processed and skipped not reported"],
        ),
        (("ledger", "days"), ["misdetection", "recall", "day from"]),
        (("hazards", "places"), ["market", "13.41100", "52.52300"]),
        (("failures", "prototypes"), ["night-clear", MODE, "signal to noise"]),
    ],
)
def test_a_table_has_the_facts(cloud: FilledCloud, arguments: tuple[str, ...], cells: list[str]) -> None:
    done = run(cloud, *arguments)
    assert done.exit_code == 0, done.output
    assert [cell for cell in cells if cell not in done.output] == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("overview", "show"), "sites_online"),
        (("overview", "trends"), "points"),
        (("failures", "history", MODE), "heat_map"),
        (("failures", "prototypes"), "explained"),
    ],
)
def test_programs_get_the_resource(cloud: FilledCloud, arguments: tuple[str, ...], field: str) -> None:
    done = run(cloud, *arguments, "--json")
    assert field in json.loads(done.stdout)


def test_images_are_listed_reviewed_and_their_duplicates_grouped(cloud: FilledCloud) -> None:
    kept = json.loads(run(cloud, "campaign", "images", cloud.campaign, "--kept", "--json").stdout)
    refused = json.loads(run(cloud, "campaign", "images", cloud.campaign, "--refused", "--json").stdout)
    assert (len(kept), len(refused)) == (45, 15)
    fires = json.loads(run(cloud, "campaign", "images", cloud.campaign, "--label", "fire", "--json").stdout)
    assert len(fires) == 45, "those kept; what was refused has no label"
    assert (
        "No image has such a box" in run(cloud, "campaign", "images", cloud.campaign, "--label", "x").output
    )
    first = str(kept[0]["id"])
    done = run(cloud, "campaign", "review", cloud.campaign, first, "rejected", "--reason", "it floats")
    assert "the review changes nothing in it" in done.output
    assert "rejected" in run(cloud, "campaign", "images", cloud.campaign).output
    undone = run(cloud, "campaign", "review", cloud.campaign, first, "none", "--json")
    assert json.loads(undone.stdout)["verdict"] is None
    assert "25, 26" in run(cloud, "campaign", "duplicates", cloud.campaign).output
    assert run(cloud, "campaign", "review", cloud.campaign, first, "perhaps").exit_code != 0


def test_a_campaigns_evaluations_are_a_table(cloud: FilledCloud) -> None:
    done = run(cloud, "campaign", "evaluations", cloud.campaign)
    assert "the campaign has evaluated nothing yet" in done.output
    assert "note: no control model is evaluated here" in done.output


def test_average_precisions_have_their_intervals_where_they_are_stored(
    cloud: FilledCloud,
) -> None:
    older = {"truths": 9, "recall": 0.5, "precision": 0.8, "ap50": 0.61, "ap50_95": 0.4}
    metrics = {**older, "ap50_interval": [0.52, 0.69], "ap50_95_interval": [0.33, 0.48]}
    rows = (
        EvaluationRow(cloud.campaign, "e" * 64, "holdout", name, "all", given)
        for name, given in (("fire", metrics), ("smoke", older))
    )
    cloud.rows.put_evaluations(rows)
    words = run(cloud, "campaign", "evaluations", cloud.campaign).output
    assert "50 % / 80 % / 61 % (52 % to 69 %) / 40 % (33 % to 48 %) / -" in words
    assert "50 % / 80 % / 61 % / 40 % / -" in words


def test_a_camera_of_another_site_is_one_sentence_with_those_that_there_are(cloud: FilledCloud) -> None:
    done = run(cloud, "cameras", "show", "north", "harbour")
    assert done.exit_code != 0
    assert "site north has no camera harbour (it has bridge, market)" in f"{done.output}{done.exception}"
    assert json.loads(run(cloud, "cameras", "show", "north", "market", "--json").stdout)["camera"] == "market"
