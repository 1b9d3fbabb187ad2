"""The pages of hazards: the filter in the address, one hazard, rows of deliveries and of missed ones."""

from typing import get_args

from dashboards.pages import deliveries, hazard_changes, hazards, missed_hazards
from dashboards.scope import Scope
from messaging.api.verdict_requests import RequestState, VerdictRequestResource
from messaging.integration_resources import DeliveryResource
from messaging.resources import HazardResource

HAZARD = HazardResource(
    site="north", event="01J00000000000000000000000", camera="bridge", class_name="fallen_person",
    state="opened", severity=5, confidence=0.91, condition="night-rain", zone="crossing",
    box=(0.5, 0.5, 0.1, 0.2),
    started_at_utc=0, at_utc=10, model_digest="ab" * 32,
)  # fmt: skip


def test_the_filter_is_read_from_the_address_and_what_is_not_known_there_limits_nothing() -> None:
    given = {"class_name": "fire", "severity": "4", "status": "resolved", "other": "x"}
    wanted = hazards.Wanted.of_query(given)
    assert wanted.query() == {"class_name": "fire", "severity": "4", "status": "resolved"}
    assert hazards.Wanted.of_query({"severity": "9", "status": "<b>"}) == hazards.Wanted()
    assert hazards.Wanted().query() == {"class_name": None, "severity": None, "status": None}


def test_one_hazard_links_to_its_site_and_model_in_the_same_scope() -> None:
    shown = hazards.facts_markup(HAZARD, Scope("docks"), 20.0)
    assert 'href="/sites/north?group=docks"' in shown
    assert f'href="/models/{HAZARD.model_digest}?group=docks"' in shown
    assert "/ bridge, zone crossing" in shown


def test_a_hazard_lasts_until_its_site_closed_it_or_until_now() -> None:
    closed = HAZARD.model_copy(update={"state": "closed"})
    assert (hazards.lasted_s(HAZARD, 95.0), hazards.lasted_s(closed, 95.0)) == (95.0, 10.0)
    assert hazards.lasted_s(HAZARD, -5.0) == 0.0, "the clock of the site is ahead"
    assert hazards.row(closed, Scope(), 95.0)["lasted"] == "10 s"


def test_a_hazard_is_offered_only_what_may_follow_its_status() -> None:
    offered = {
        status: {name for name, before in hazard_changes.MAY_FOLLOW.items() if status in before}
        for status in ("open", "acknowledged", "resolved", "false_alarm")
    }
    assert offered == {
        "open": {"acknowledged", "resolved", "false_alarm"},
        "acknowledged": {"resolved", "false_alarm"},
        "resolved": {"false_alarm"},
        "false_alarm": set(),
    }


def test_a_row_has_a_button_for_each_change_that_the_status_permits_and_for_a_missed_hazard() -> None:
    def texts(status: str) -> list[str]:
        cells = hazard_changes.cells(HAZARD.model_copy(update={"status": status}))
        assert list(cells) == [column.field for column in hazard_changes.COLUMNS]
        return [field for field, markup in cells.items() if markup]

    assert texts("open") == ["acknowledged", "resolved", "false_alarm", "missed"]
    assert texts("resolved") == ["false_alarm", "missed"]
    assert texts("false_alarm") == ["missed"]
    assert 'aria-label="Resolve: fallen person at north / bridge"' in hazard_changes.cells(HAZARD)["resolved"]


def test_a_delivery_states_its_outcome() -> None:
    delivery = DeliveryResource(
        id=7, integration="city", change_id="c", change="false_alarm", site="north", event=HAZARD.event,
        state="dead", attempts=9, queued_at=0, due_at=0, ended_at=5, seconds=1.234, outcome="it answered 500",
    )  # fmt: skip
    row = deliveries.row(delivery, 60.0)
    assert (row["id"], row["change"], row["seconds"]) == ("7", "false alarm", 1.23)
    assert row["outcome"] == "it answered 500"
    assert "bad" in row["state"]


def test_a_missed_hazard_has_its_state_in_a_word_and_in_a_sentence() -> None:
    request = VerdictRequestResource(
        number=7, site="north", camera="bridge", class_name="fallen_person", at_utc=0, by="ana", asked_at=5,
        expires_at=905, answered_at=None, state="not_kept", meaning="It keeps none.",
    )  # fmt: skip
    row = missed_hazards.row(request, 60.0)
    assert (row["hazard"], row["place"], row["seen"]) == ("fallen person", "north / bridge", "60 s ago")
    assert ("not kept" in row["state"], row["meaning"]) == (True, "It keeps none.")


def test_every_state_of_a_request_has_a_colour() -> None:
    assert missed_hazards.TONES.keys() == set(get_args(RequestState))
