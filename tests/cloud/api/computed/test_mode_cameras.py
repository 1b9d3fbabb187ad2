"""The cameras of a failure mode over the REST API: numbers, positions, and who may see them."""

from collections.abc import Iterator
from typing import Any

import pytest

from messaging.api.mode_cameras import ModeCameraResource
from messaging.resources import FailureModeResource, Page
from tests.support.cloud.api_reader import add_limited_viewer, get
from tests.support.cloud.filled_cloud import NIGHT, POSITIONS, FilledCloud
from tests.support.cloud.sample_reports import MINUTE, misdetection, received

MODE = "fire.night-clear.missed"
MISSED = (("north", "market", 3), ("south", "harbour", 7), ("west", "yard", 2))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    """Beside the 92 of north/bridge, fires at night that three other cameras missed; west has no position."""
    found = FilledCloud(tmp_path_factory.mktemp("cloud"))
    found.fill()
    for site, camera, number in MISSED:
        for n in range(number):
            report = misdetection(camera=camera, class_name="fire", tags=NIGHT, minute_utc=MINUTE + 60 * n)
            found.reports.insert([received(report, site)])
    found.reports.group_site("south", "harbour")
    add_limited_viewer(found, "ana", "harbour")
    yield found
    found.close_store()


def cameras(cloud: FilledCloud, **query: Any) -> dict[str, ModeCameraResource]:
    answer = get(cloud, f"failure-modes/{MODE}/cameras", **query)
    found = Page[ModeCameraResource].model_validate(answer.json()).items
    return {f"{one.site}/{one.camera}": one for one in found}


def test_the_cameras_of_a_failure_mode_have_its_misdetections_the_most_first(cloud: FilledCloud) -> None:
    found = cameras(cloud)
    assert [(name, one.misdetections) for name, one in found.items()] == [
        ("north/bridge", 92),
        ("south/harbour", 7),
        ("north/market", 3),
        ("west/yard", 2),
    ]
    assert found["west/yard"].last_seen_utc == MINUTE + 60
    mode = FailureModeResource.model_validate(get(cloud, f"failure-modes/{MODE}").json())
    assert sorted(found) == list(mode.cameras)
    assert sum(one.misdetections for one in found.values()) == mode.count


def test_a_camera_has_its_own_position_or_that_of_its_site_or_none(cloud: FilledCloud) -> None:
    found = cameras(cloud)
    assert {name: one.position_of for name, one in found.items()} == {
        "north/bridge": "site",
        "south/harbour": "site",
        "north/market": "camera",
        "west/yard": None,
    }
    for name, place in (("north/bridge", "north"), ("north/market", "north/market")):
        assert (found[name].longitude, found[name].latitude) == POSITIONS[place]
    assert (found["west/yard"].longitude, found["west/yard"].latitude) == (None, None)


def test_cameras_of_another_group_are_not_shown(cloud: FilledCloud) -> None:
    assert set(cameras(cloud, group="harbour")) == {"south/harbour"}
    assert set(cameras(cloud, user="ana")) == {"south/harbour"}
    assert cameras(cloud, user="ana", group="default") == {}
    answer = get(cloud, f"failure-modes/{MODE}/cameras", user="ana")
    assert [name for name in ("north", "bridge", "market", "west") if name in answer.text] == []


def test_pages_of_cameras_join_without_gap_or_double(cloud: FilledCloud) -> None:
    first = Page[ModeCameraResource].model_validate(
        get(cloud, f"failure-modes/{MODE}/cameras", limit=3).json()
    )
    rest = cameras(cloud, cursor=first.next)
    assert [f"{one.site}/{one.camera}" for one in first.items] + list(rest) == list(cameras(cloud))


def test_an_unknown_failure_mode_has_no_cameras(cloud: FilledCloud) -> None:
    answer = get(cloud, "failure-modes/fire.night-fog.missed/cameras")
    assert answer.status_code == 404
    assert "is not known" in answer.json()["detail"]
