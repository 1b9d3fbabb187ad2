"""What the pages of sites offer: buttons by the state of a site, and the commands of an enrolment."""

import pytest

from dashboards.pages.fleet import enrolment, site_changes, site_group, sites
from messaging.resources import SiteResource


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ({}, {"group", "revoke", "quarantine"}),
        ({"quarantined": True}, {"group", "revoke", "release"}),
        ({"revoked": True}, {"group", "enrol", "remove"}),
        ({"revoked": True, "quarantined": True}, {"group", "enrol", "remove"}),
    ],
)
def test_a_site_is_offered_only_what_its_state_permits(state: dict[str, bool], offered: set[str]) -> None:
    assert site_changes.permitted(SiteResource(site="north", online=True, **state)) == offered


@pytest.mark.parametrize(
    ("text", "fault"), [("", False), ("harbour", False), ("Old Town", True), ("a" * 100, True)]
)
def test_a_group_is_a_slug_or_none(text: str, fault: bool) -> None:
    assert (site_group.group_fault(text) is not None) == fault


def test_every_change_says_what_happens() -> None:
    assert all(len(sentence) > 50 for _, sentence, _, _ in site_changes.CHANGES.values())


@pytest.mark.parametrize(
    ("verbs", "shown"),
    [
        ((), {"evidence": "", "revoke": ""}),
        (("quarantine",), {"evidence": "Quarantine north", "revoke": ""}),
        (("release", "revoke"), {"evidence": "Release north", "revoke": "Revoke north"}),
    ],
)
def test_a_row_has_a_button_for_each_change_that_is_offered(
    verbs: tuple[str, ...], shown: dict[str, str]
) -> None:
    cells = sites.buttons(SiteResource(site="north", online=True), verbs)
    assert cells.keys() == shown.keys()
    assert all(f'aria-label="{label}"' in cells[field] for field, label in shown.items() if label)
    assert [field for field, label in shown.items() if not label] == [f for f, c in cells.items() if not c]


@pytest.mark.parametrize("name", ["", "North", "a b", "x" * 41, "<b>"])
def test_a_name_that_the_cloud_refuses_is_refused_in_the_dialog_with_the_rule(name: str) -> None:
    assert "lower-case letters" in (enrolment.name_fault(name) or "")


def test_a_good_name_is_taken() -> None:
    assert enrolment.name_fault("harbour-2") is None
