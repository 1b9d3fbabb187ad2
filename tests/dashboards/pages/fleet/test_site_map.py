"""The map of sites: which have a place, and what is there."""

from typing import Any

import pytest

from dashboards.pages.fleet.sites import map_places
from dashboards.scope import Scope
from messaging.api.places import PlaceResource
from messaging.resources import SiteResource


def place(site: str, camera: str | None, longitude: float, latitude: float) -> PlaceResource:
    return PlaceResource(
        site=site, camera=camera, longitude=longitude, latitude=latitude, open_hazards=0, severity=None
    )


def site(name: str = "north", **values: Any) -> SiteResource:
    return SiteResource.model_validate({"site": name, "online": True, **values})


def test_a_site_is_where_it_is_itself_or_in_the_middle_of_its_cameras() -> None:
    places = [
        place("north", None, 1.0, 50.0), place("north", "gate", 9.0, 59.0),
        place("south", "quay", 2.0, 40.0), place("south", "pier", 4.0, 42.0),
    ]  # fmt: skip
    found = map_places([site("north"), site("south"), site("west")], places, Scope())
    assert [(one.latitude, one.longitude) for one in found] == [(50.0, 1.0), (41.0, 3.0)]


@pytest.mark.parametrize(
    ("values", "text", "colour"),
    [
        ({}, "north: online", "var(--good)"),
        ({"online": False}, "north: offline", "var(--bad)"),
        ({"quarantined": True}, "north: quarantined", "var(--bad)"),
        ({"revoked": True}, "north: revoked", "var(--bad)"),
    ],
)
def test_the_state_of_a_site_is_a_colour_and_a_text_that_links(
    values: dict[str, bool], text: str, colour: str
) -> None:
    (found,) = map_places([site(**values)], [place("north", None, 1.0, 50.0)], Scope(group="port"))
    assert (found.label, found.colour) == (text, colour)
    assert found.popup == f'<a href="/sites/north?group=port">north</a>{text.removeprefix("north")}'
    assert found.ring is None


def test_open_failure_modes_are_a_ring_and_in_the_popup() -> None:
    (found,) = map_places([site(open_failure_modes=2)], [place("north", None, 1.0, 50.0)], Scope())
    assert found.ring == "var(--busy)"
    assert str(found.popup).endswith(": online, 2 open failure modes")
