"""The chart of a failure mode's history."""

from dashboards.learning.history_chart import description, history_options, sources
from dashboards.theme import LIGHT
from tests.dashboards.learning.resources import DAY, NOW, RECALL, history


def test_there_is_a_stacked_series_a_source_the_most_frequent_first() -> None:
    bars = [one for one in history_options(history(), LIGHT)["series"] if one["type"] == "bar"]
    assert [(one["name"], one["stack"]) for one in bars] == [("teacher", "evidence"), ("motion", "evidence")]
    assert [point["value"][1] for point in bars[0]["data"]] == [5, 4]
    assert sources(history()) == ("teacher", "motion")


def test_the_band_lies_between_the_bounds_of_the_interval_and_the_target_is_dotted() -> None:
    series = {one["name"]: one for one in history_options(history(), LIGHT)["series"]}
    noon = (NOW - DAY) * 1000 + DAY * 500
    assert series["lower bound"]["data"] == [[noon, 25.0]]
    assert series["interval"]["data"] == [[noon, 19.0]]
    assert series["estimated recall"]["data"][0]["value"] == [noon, 34.0]
    mark = series["estimated recall"]["markLine"]
    assert mark["data"] == [{"yAxis": 80.0}]
    assert mark["lineStyle"]["type"] == "dotted"


def test_a_day_without_a_supported_track_has_no_point() -> None:
    nothing = {**RECALL, "supported": 0, "detected": 0, "value": None}
    shown = history(recall=({"at": NOW - DAY, "recall": nothing},))
    series = {one["name"]: one for one in history_options(shown, LIGHT)["series"]}
    assert series["estimated recall"]["data"] == []
    assert description(shown)["last known recall"] == "–"


def test_campaigns_are_numbered_marks_and_those_before_the_window_are_left_out() -> None:
    old = {"campaign": "C0", "started_at": 5, "ended_at": 9, "state": "done", "reason": ""}
    marks = history_options(history(campaigns=(old, *history().campaigns)), LIGHT)["series"][-1]["markLine"]
    assert [(one["xAxis"], one["label"]["formatter"]) for one in marks["data"]] == [((NOW - DAY) * 1000, "2")]


def test_the_chart_is_described_in_words() -> None:
    described = description(history())
    assert described["evidence"] == "11 misdetections on 2 days"
    assert described["last known recall"].endswith(": 34 % (25–44 %) of 92 tracks")
