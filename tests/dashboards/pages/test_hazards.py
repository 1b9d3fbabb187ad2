"""The latest hazard events."""

import pytest

from dashboards.pages import hazards
from tests.support.dashboards.sections import hazard, row, snapshot


def test_an_event_has_severity_class_place_confidence_and_age() -> None:
    markup = hazards.section(snapshot(hazards=(hazard(),)))
    assert row(markup, "hazard-E1") == [
        "5", "fallen person open", "north / bridge night, rain", "92 %", "43 s ago"
    ]  # fmt: skip
    assert 'title="danger to life"' in markup


def test_a_zone_replaces_the_condition() -> None:
    assert row(hazards.section(snapshot(hazards=(hazard(zone="quay"),))), "hazard-E1")[2] == (
        "north / bridge quay"
    )


@pytest.mark.parametrize(("state", "label"), [("opened", "open"), ("updated", "open"), ("closed", "closed")])
def test_only_a_closed_event_is_shown_as_closed(state: str, label: str) -> None:
    assert row(hazards.section(snapshot(hazards=(hazard(state=state),))), "hazard-E1")[1].endswith(label)
