"""Trends, histories of failure modes and the map of prototypes over the REST API."""

from collections.abc import Iterator
from typing import Any

import pytest

from messaging.api.mode_history import ModeHistoryResource
from messaging.api.prototype_map import PrototypeMapResource
from messaging.api.trends import TrendsResource
from tests.support.cloud.api_reader import add_limited_viewer, get
from tests.support.cloud.filled_cloud import FilledCloud

MODE = "fire.night-clear.missed"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    found = FilledCloud(tmp_path_factory.mktemp("cloud"))
    found.fill()
    found.reports.group_site("north", "city")
    add_limited_viewer(found, "ana", "city")
    yield found
    found.close_store()


def test_trends_count_what_happened_in_each_day(cloud: FilledCloud) -> None:
    found = TrendsResource.model_validate(get(cloud, "overview/trends").json())
    assert (found.bucket_s, len(found.points)) in {(86_400, 7), (86_400, 8)}
    assert sum(point.hazards for point in found.points) == 7
    assert sum(point.misdetections for point in found.points) == 61 + 22 + 9 + 92 + 45 + 49 + 17
    assert found.points[-1].open_failure_modes == 5
    assert found.points[-1].sites == 2
    assert "heartbeats are kept only as the latest" in found.notes[0]


def test_trends_of_a_group_and_for_a_limited_user_are_those_of_its_sites(cloud: FilledCloud) -> None:
    for answer in (get(cloud, "overview/trends", group="city"), get(cloud, "overview/trends", user="ana")):
        found = TrendsResource.model_validate(answer.json())
        assert sum(point.hazards for point in found.points) == 4
        assert sum(point.misdetections for point in found.points) == 61 + 22 + 9 + 92 + 45
        assert (found.points[-1].sites, found.points[-1].open_failure_modes) == (1, 3)
    of_nobody = TrendsResource.model_validate(get(cloud, "overview/trends", group="harbour").json())
    assert sum(point.hazards + point.misdetections for point in of_nobody.points) == 0


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"since": 100, "until": 100}, "since (100) must be before until (100)"),
        ({"since": 0}, "are more than 800; ask for less time"),
        ({"since": 0, "until": 86_400 * 100, "bucket": "hour"}, "2400 hours are more than 800"),
    ],
)
def test_a_time_that_makes_no_trend_is_refused(
    cloud: FilledCloud, query: dict[str, Any], sentence: str
) -> None:
    answer = get(cloud, "overview/trends", **query)
    assert answer.status_code == 400
    assert sentence in answer.json()["detail"]


def test_a_failure_mode_has_a_history(cloud: FilledCloud) -> None:
    found = ModeHistoryResource.model_validate(get(cloud, f"failure-modes/{MODE}/history").json())
    totals: dict[str, int] = {}
    for day in found.evidence:
        for source, number in day.sources.items():
            totals[source] = totals.get(source, 0) + number
    assert totals == {"teacher": 61, "track_gap": 22, "motion": 9}
    assert [(d.recall.supported, d.recall.detected) for d in found.recall] == [(92, 31)]
    assert found.recall[0].recall.low < 31 / 92 < found.recall[0].recall.high
    assert [(mark.campaign, mark.state) for mark in found.campaigns] == [(cloud.campaign, "running")]
    assert found.heat_map.boxes == 92
    assert len(found.heat_map.values) == found.heat_map.rows
    assert max(max(line) for line in found.heat_map.values) > 10
    assert get(cloud, "failure-modes/fire.night-fog.missed/history").status_code == 404


def test_the_evidence_of_another_group_is_not_in_a_limited_users_history(cloud: FilledCloud) -> None:
    path = "failure-modes/smoke.day-fog.missed/history"
    whole = ModeHistoryResource.model_validate(get(cloud, path).json())
    found = ModeHistoryResource.model_validate(get(cloud, path, user="ana").json())
    assert (len(whole.evidence), len(whole.recall)) != (0, 0)
    assert (found.evidence, found.recall, found.heat_map.boxes) == ((), (), 0)


def test_prototypes_have_a_place_and_their_failure_modes(cloud: FilledCloud) -> None:
    found = PrototypeMapResource.model_validate(get(cloud, "prototypes").json())
    points = {p.condition: p for p in found.points}
    assert points["night-clear"].failure_modes == (MODE,)
    assert points["day-rain"].failure_modes == ()
    assert all(point.signal_to_noise and point.signal_to_noise > 0 for point in found.points)
    assert found.embedding_digest == "e" * 64
