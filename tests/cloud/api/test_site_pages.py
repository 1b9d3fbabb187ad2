"""One site, and what left the sites day by day, over the REST API."""

from collections.abc import Iterator
from typing import Any

import pytest

from cloud.store.delivery_records import HazardStatus
from messaging.api.dead_letters import DeadLetterResource
from messaging.api.places import PlaceResource
from messaging.api.sites import CameraResource, LedgerDayResource, SitePageResource
from messaging.reports import FrameFlow
from messaging.resources import FailureModeResource, HazardResource, Page, SiteResource
from tests.support.cloud.api_reader import add_limited_viewer, get
from tests.support.cloud.filled_cloud import POSITIONS, FilledCloud
from tests.support.cloud.sample_reports import BUDGETS, FLOWS, MINUTE, prototype, received


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    found = FilledCloud(tmp_path_factory.mktemp("cloud"))
    found.fill()
    found.reports.add_site("tunnel")
    found.reports.group_site("south", "harbour")
    for subject in ("site.north.hazard", "site.northern.hazard"):
        found.reports.put_dead_letter(subject=subject, message_id="m", reason="no class", data=b"x")
    add_limited_viewer(found, "ana", "harbour")
    yield found
    found.close_store()


def test_a_site_has_its_cameras_its_clock_and_its_dead_letters(cloud: FilledCloud) -> None:
    found = SitePageResource.model_validate(get(cloud, "sites/north").json())
    assert (found.site.site, found.site.online, found.enrolment) == ("north", True, "reporting")
    assert [camera.camera for camera in found.cameras] == ["bridge", "market"]
    assert found.clock_skew_s is not None
    assert abs(found.clock_skew_s) <= 1
    assert (found.dead_letters, found.commands) == (1, ())


def test_dead_letters_are_limited_to_a_site_by_its_whole_name(cloud: FilledCloud) -> None:
    found = Page[DeadLetterResource].model_validate(get(cloud, "dead-letters", site="north").json())
    assert [letter.subject for letter in found.items] == ["site.north.hazard"]
    assert get(cloud, "dead-letters", site="Not a site").status_code == 422


def test_failure_modes_are_limited_to_a_camera_of_a_site(cloud: FilledCloud) -> None:
    def ids(**query: str) -> set[str]:
        found = Page[FailureModeResource].model_validate(get(cloud, "failure-modes", **query).json()).items
        assert all(f"north/{query['camera']}" in mode.cameras for mode in found)
        return {mode.id for mode in found}

    assert ids(camera="bridge", site="north") == ids(camera="bridge") != set()
    assert ids(camera="market").isdisjoint(ids(camera="bridge"))
    assert ids(camera="bridge", site="south") == set()


def test_a_site_counts_the_open_failure_modes_of_which_it_has_reported_evidence(cloud: FilledCloud) -> None:
    listed = Page[SiteResource].model_validate(get(cloud, "sites").json()).items
    for one in listed:
        modes = Page[FailureModeResource].model_validate(get(cloud, "failure-modes", site=one.site).json())
        opened = [mode.id for mode in modes.items if mode.status in ("open", "reopened")]
        page = SitePageResource.model_validate(get(cloud, f"sites/{one.site}").json())
        assert one.open_failure_modes == page.site.open_failure_modes == len(opened)
    assert {one.site: bool(one.open_failure_modes) for one in listed} == {
        "north": True, "south": True, "tunnel": False
    }  # fmt: skip


def test_failure_modes_of_a_group_are_those_with_evidence_from_its_sites(cloud: FilledCloud) -> None:
    def ids(user: str | None = None, **query: str) -> set[str]:
        answer = get(cloud, "failure-modes", user=user, **query)
        return {mode.id for mode in Page[FailureModeResource].model_validate(answer.json()).items}

    assert ids(group="harbour") == ids(site="south")
    assert ids(group="harbour") < ids()
    assert ids(group="elsewhere") == set()
    cloud.reports.group_site("north", "uphill")
    try:
        assert ids(group="uphill") == ids(site="north")
        assert ids(user="ana", group="uphill") == set(), "ana sees the sites of harbour alone"
    finally:
        cloud.reports.group_site("north", "")


def test_each_camera_has_the_privacy_budget_that_its_last_prototype_states(cloud: FilledCloud) -> None:
    stated = prototype((1, 2), camera="market", epsilon_spent=2.75, minute_utc=MINUTE + 60)
    cloud.reports.insert([received(stated, "north")])
    wanted = {"bridge": (1.0, MINUTE), "market": (2.75, MINUTE + 60)}
    page = SitePageResource.model_validate(get(cloud, "sites/north").json()).cameras
    listed = Page[CameraResource].model_validate(get(cloud, "cameras", site="north").json()).items
    for found in (page, listed):
        assert {one.camera: (one.epsilon_spent, one.epsilon_spent_at) for one in found} == wanted


def test_each_camera_has_the_budget_that_its_heartbeat_states_and_none_of_an_older_site(
    cloud: FilledCloud,
) -> None:
    for path in ("cameras", "sites/north", "sites/south"):
        found = get(cloud, path).json()
        for camera in found.get("cameras", found.get("items")):
            stated = BUDGETS.get(camera["camera"])
            assert camera["budget"] == (None if stated is None else stated.model_dump(mode="json"))


def test_each_camera_has_what_became_of_its_frames_and_nothing_of_that_at_an_older_site(
    cloud: FilledCloud,
) -> None:
    for path in ("cameras", "sites/north", "sites/south"):
        found = get(cloud, path).json()
        for camera in found.get("cameras", found.get("items")):
            stated = FLOWS.get(camera["camera"])
            expected = dict.fromkeys(FrameFlow.model_fields) if stated is None else dict(stated)
            assert {name: camera[name] for name in FrameFlow.model_fields} == expected


def test_a_site_that_has_never_reported_gets_the_commands_to_run_next(cloud: FilledCloud) -> None:
    found = SitePageResource.model_validate(get(cloud, "sites/tunnel").json())
    assert (found.enrolment, found.cameras, found.clock_skew_s) == ("waiting", (), None)
    assert found.commands[0] == "blindspot sites add tunnel --out tunnel --camera NAME=SOURCE"
    assert [command.split()[:5] for command in found.commands[1:]] == [
        ["cd", "tunnel", "&&", "blindspot-edge", name] for name in ("broker", "gate", "node")
    ]
    assert get(cloud, "sites/nowhere").status_code == 404
    assert get(cloud, "sites/north", user="ana").status_code == 404


def days(cloud: FilledCloud, **query: Any) -> list[LedgerDayResource]:
    answer = get(cloud, "ledger/days", **query)
    return list(Page[LedgerDayResource].model_validate(answer.json()).items)


def test_what_left_is_summed_by_day_site_and_kind(cloud: FilledCloud) -> None:
    found = {(one.site, one.kind): one for one in days(cloud)}
    assert found["south", "misdetection"].count == 41 + 8 + 17
    assert found["north", "recall"].count == 3
    assert all(one.at % 86_400 == 0 and one.length_bytes > 0 for one in found.values())
    assert {one.site for one in days(cloud, user="ana")} == {"south"}
    assert days(cloud, user="ana", site="north") == []
    assert {one.site for one in days(cloud, site="north")} == {"north"}


def test_its_pages_join_without_gap_or_double(cloud: FilledCloud) -> None:
    whole, paged, cursor = days(cloud), list[LedgerDayResource](), {}
    for _ in range(50):
        page = Page[LedgerDayResource].model_validate(get(cloud, "ledger/days", limit=1, **cursor).json())
        paged += page.items
        if page.next is None:
            break
        cursor = {"cursor": page.next}
    assert paged == whole
    assert len(whole) > 4
    assert get(cloud, "ledger/days", cursor="Mw").status_code == 400


def places(cloud: FilledCloud, **query: Any) -> dict[tuple[str, str | None], PlaceResource]:
    found = Page[PlaceResource].model_validate(get(cloud, "places", **query).json()).items
    return {(one.site, one.camera): one for one in found}


def test_places_have_the_open_hazards_of_their_cameras(cloud: FilledCloud) -> None:
    found = places(cloud)
    assert {
        (f"{site}/{camera}" if camera else site): (one.longitude, one.latitude)
        for (site, camera), one in found.items()
    } == POSITIONS
    hazards = Page[HazardResource].model_validate(get(cloud, "hazards").json()).items
    open_ones = [one for one in hazards if one.state != "closed"]
    at_market = [one.severity for one in open_ones if (one.site, one.camera) == ("north", "market")]
    assert (found["north", "market"].open_hazards, found["north", "market"].severity) == (
        len(at_market),
        max(at_market),
    )
    assert sum(one.open_hazards for one in found.values()) == len(open_ones)
    assert places(cloud, user="ana").keys() == places(cloud, group="harbour").keys() == {("south", None)}


def test_places_have_the_state_and_the_open_failure_modes_of_their_sites(cloud: FilledCloud) -> None:
    listed = {one.site: one for one in Page[SiteResource].model_validate(get(cloud, "sites").json()).items}
    assert {one.site for one in places(cloud).values()} == {"north", "south"}
    for one in places(cloud).values():
        assert one.site_state == ("online" if listed[one.site].online else "offline")
        assert one.open_failure_modes == listed[one.site].open_failure_modes
    assert places(cloud)["north", None].open_failure_modes > 0
    cloud.reports.quarantine_site("south", True)
    assert places(cloud)["south", None].site_state == "quarantined"
    cloud.reports.quarantine_site("south", False)


def test_a_hazard_that_an_operator_has_ended_is_not_open_on_the_map(cloud: FilledCloud) -> None:
    cloud.hazard("fire", 3, began_s=30)  # at the bridge, which has the site's position
    before = places(cloud)["north", None].open_hazards
    found = Page[HazardResource].model_validate(get(cloud, "hazards", site="north").json()).items
    event = next(one.event for one in found if (one.camera, one.state) == ("bridge", "opened"))
    cloud.reports.hazard_changes.handle("north", event, HazardStatus.FALSE_ALARM)
    assert places(cloud)["north", None].open_hazards == before - 1
