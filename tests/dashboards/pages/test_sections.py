"""What all sections of the page have in common."""

from collections.abc import Callable

import pytest

from dashboards.markup import Html
from dashboards.pages import campaign, comparison, failure_modes, hazards, privacy, sites
from dashboards.snapshot import Snapshot
from tests.support.dashboards.sections import snapshot


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        (sites.section, "No site is enrolled yet. `blindspot sites add NAME` enrols one."),
        (hazards.section, "A hazard appears here when a site opens a hazard event."),
        (failure_modes.section, "Misdetections that the sites report are grouped here"),
        (campaign.section, "`blindspot campaign start` starts one for the worst mode."),
        (comparison.section, "evaluate and shadow stages of a campaign fill this table"),
        (privacy.section, "Every message that a site sends is counted here."),
    ],
)
def test_an_empty_section_states_what_will_be_shown_there(
    section: Callable[[Snapshot], Html], sentence: str
) -> None:
    assert sentence in section(snapshot())
