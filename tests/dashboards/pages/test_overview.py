"""The numbers at the top, and the status line."""

from dashboards.pages import overview
from dashboards.snapshot import PageState
from tests.support.dashboards.sections import OVERVIEW, failure_mode, snapshot, text


def test_four_numbers_are_shown_with_their_reference() -> None:
    filled = OVERVIEW.model_copy(
        update={
            "sites": 4, "sites_online": 3, "hazards_in_24_h": 7, "open_failure_modes": 1,
            "sites_on_current_model": 2, "current_model": "0123456789" * 6,
        }
    )  # fmt: skip
    shown = text(overview.section(snapshot(overview=filled, modes=(failure_mode(), failure_mode()))))
    assert shown == (
        "sites online 3 of 4 hazards in 24 h 7 events open failure modes 1 of 2 known "
        "sites on current model 50 % model 01234567"
    )


def test_without_a_released_model_the_fraction_is_a_dash() -> None:
    assert text(overview.section(snapshot())).endswith("sites on current model – model –")


def test_a_responding_cloud_is_a_status_and_no_alert() -> None:
    line = overview.status_line(PageState(snapshot()))
    assert 'role="status"' in line
    assert text(line) == "updated every 2 seconds"


def test_what_the_cloud_cannot_do_now_is_an_alert() -> None:
    filled = OVERVIEW.model_copy(update={"faults": ("rollouts fails and is tried again: <b>",)})
    line = overview.status_line(PageState(snapshot(overview=filled)))
    assert 'role="alert"' in line
    assert "The cloud is not ready: rollouts fails and is tried again: &lt;b&gt;." in line


def test_a_lost_cloud_is_an_alert_with_the_time_of_the_data() -> None:
    line = overview.status_line(PageState(snapshot(), "the cloud is lost"))
    assert 'role="alert"' in line
    assert "the cloud is lost – the data below are from " in line


def test_a_cloud_that_never_answered_is_no_empty_page() -> None:
    assert "there is no data yet" in overview.status_line(PageState(None, "the cloud is lost"))
