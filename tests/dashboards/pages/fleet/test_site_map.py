"""The map of sites: which have a place, and what is there."""

import pytest

from dashboards.pages.fleet.sites import map_places
from dashboards.scope import Scope
from messaging.api.places import PlaceResource


def place(
    site: str,
    camera: str | None,
    longitude: float,
    latitude: float,
    state: str | None = "online",
    opened: int = 0,
) -> PlaceResource:
    return PlaceResource(
        site=site,
        camera=camera,
        longitude=longitude,
        latitude=latitude,
        open_hazards=0,
        severity=None,
        site_state=state,
        open_failure_modes=opened,
    )


def test_a_site_is_where_it_is_itself_or_in_the_middle_of_its_cameras() -> None:
    places = [
        place("north", None, 1.0, 50.0), place("north", "gate", 9.0, 59.0),
        place("south", "quay", 2.0, 40.0), place("south", "pier", 4.0, 42.0),
        place("of no known site", None, 3.0, 51.0, state=None),
    ]  # fmt: skip
    found = map_places(places, Scope())
    assert [(one.latitude, one.longitude) for one in found] == [(50.0, 1.0), (41.0, 3.0)]


@pytest.mark.parametrize(
    ("state", "colour"),
    [
        ("online", "var(--good)"),
        ("offline", "var(--bad)"),
        ("quarantined", "var(--bad)"),
        ("revoked", "var(--bad)"),
    ],
)
def test_the_state_of_a_site_is_a_colour_and_a_text_that_links(state: str, colour: str) -> None:
    (found,) = map_places([place("north", None, 1.0, 50.0, state)], Scope(group="port"))
    assert (found.label, found.colour) == (f"north: {state}", colour)
    assert found.popup == f'<a href="/sites/north?group=port">north</a>: {state}'
    assert found.ring is None


def test_open_failure_modes_are_a_ring_and_in_the_popup() -> None:
    (found,) = map_places([place("north", None, 1.0, 50.0, opened=2)], Scope())
    assert found.ring == "var(--busy)"
    assert str(found.popup).endswith(": online, 2 open failure modes")
