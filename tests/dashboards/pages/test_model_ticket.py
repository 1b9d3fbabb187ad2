"""What a downgrade ticket permits is stated before and after it is signed."""

from typing import Any

import pytest

from dashboards.pages.model_ticket import question, ticket_markup
from messaging.release_resources import ModelResource, TicketRequest
from tests.support.dashboards.markup import text

NOW = 1_800_000_000


def model(**changed: Any) -> ModelResource:
    fields: dict[str, Any] = {
        "digest": "a" * 64, "channel": "service", "name": "first", "version": 1, "length_bytes": 9,
        "parent_digest": None, "campaign": None, "signed_at": NOW, "description": {},
    }  # fmt: skip
    return ModelResource.model_validate(fields | changed)


@pytest.mark.parametrize(
    ("sites", "days", "sentence"),
    [
        ((), 7, "Every site may go back once to model aaaaaaaa"),
        (("north",), 1, "Site north may go back once"),
        (("north", "south"), 30, "The sites north, south may go back once"),
    ],
)
def test_the_question_states_who_may_go_back_and_for_how_long(
    sites: tuple[str, ...], days: float, sentence: str
) -> None:
    asked = question(TicketRequest(sites=sites, days=days), "a" * 64)
    assert asked.startswith(sentence)
    assert {1: "for a day", 7: "for 7 days", 30: "for 30 days"}[int(days)] in asked


def test_the_ticket_of_a_release_is_stated_with_the_time_that_is_left() -> None:
    ticket = {"number": 4, "sites": ("north",), "expires_at_utc": NOW + 86_400 * 4}
    assert text(ticket_markup(model(ticket=ticket), NOW)) == "Ticket 4: north, for another 4 days."
    assert "expired" in ticket_markup(model(ticket=ticket), NOW + 86_400 * 5)
    assert "every site" in ticket_markup(model(ticket={**ticket, "sites": ()}), NOW)
    assert "no ticket" in ticket_markup(model(), NOW)
    assert "for trial only" in ticket_markup(model(channel="trial"), NOW)
