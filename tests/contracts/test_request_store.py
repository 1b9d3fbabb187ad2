"""Verdict requests in the database, on SQLite and PostgreSQL."""

import pytest

from cloud.errors import NotKnown, NotNow
from cloud.store.database import Database
from cloud.store.history.request_store import FIRST_NUMBER_UTC, RequestStore, VerdictRequestRow
from cloud.store.lists.filters import RequestFilter
from cloud.store.report_insertion import Received
from cloud.store.report_store import ReportStore
from messaging.reports import AnswerOutcome, VerdictAnswer
from messaging.trust.verdict_requests import MOST_OPEN
from tests.support.cloud.sample_reports import MINUTE, message


class Asking:
    """The store on a clock that is set."""

    def __init__(self, database: Database) -> None:
        self.now = MINUTE
        database._clock = lambda: self.now
        self.store, self.reports = RequestStore(database), ReportStore(database)

    def ask(self, site: str = "harbour", camera: str = "north") -> VerdictRequestRow:
        return self.store.add(site, camera, "fire", at_utc=self.now - 30, by="ana", valid_s=900)

    def answer(self, number: int, outcome: AnswerOutcome, site: str = "harbour") -> None:
        report = VerdictAnswer(request=number, outcome=outcome, minute_utc=MINUTE)
        self.reports.insert([Received(message(report, site), 33)])


@pytest.fixture
def asking(database: Database) -> Asking:
    return Asking(database)


def test_numbers_count_up_with_the_time_so_that_a_restored_backup_uses_none_again(asking: Asking) -> None:
    first, second = asking.ask(), asking.ask("airport")
    assert first.number == MINUTE - FIRST_NUMBER_UTC
    assert second.number == first.number + 1
    asking.now += 3600
    assert asking.ask().number == first.number + 3600


def test_the_first_answer_of_the_site_that_was_asked_counts(asking: Asking) -> None:
    asked = asking.ask()
    asking.answer(asked.number, AnswerOutcome.CONFIRMED, site="airport")
    assert asking.store.get("harbour", asked.number).outcome is None
    asking.now += 5
    asking.answer(asked.number, AnswerOutcome.NOT_FOUND)
    asking.answer(asked.number, AnswerOutcome.CONFIRMED)
    found = asking.store.get("harbour", asked.number)
    assert (found.outcome, found.answered_at) == (AnswerOutcome.NOT_FOUND, MINUTE + 5)


def test_answered_and_expired_requests_are_not_open(asking: Asking) -> None:
    answered = asking.ask()
    asking.answer(answered.number, AnswerOutcome.NOT_KEPT)
    asking.now += 600
    young = asking.ask()
    asking.now += 600
    assert [one.number for one in asking.store.open("harbour")] == [young.number]
    asking.now += 300
    assert asking.store.open("harbour") == []


def test_a_site_is_asked_so_often_in_a_day_and_others_are_not_affected(asking: Asking) -> None:
    for _ in range(MOST_OPEN):
        asking.ask()
    with pytest.raises(NotNow, match="site harbour was asked 20 times in 24 hours"):
        asking.ask()
    asking.ask("airport")
    asking.now += 86_400
    asking.ask()


def test_requests_are_listed_latest_first_by_site_and_camera_and_page_by_page(asking: Asking) -> None:
    numbers = [asking.ask(site, camera).number for site, camera in (("a", "x"), ("b", "x"), ("a", "y"))]
    store = asking.store

    def listed(wanted: RequestFilter = RequestFilter(), **more: object) -> list[int]:  # noqa: B008  # frozen
        return [one.number for one in store.requests(wanted, **more, limit=10)]  # type: ignore[arg-type]

    assert listed() == numbers[::-1]
    assert listed(RequestFilter(site="a")) == [numbers[2], numbers[0]]
    assert listed(RequestFilter(camera="x", class_name="fire")) == [numbers[1], numbers[0]]
    assert listed(visible=frozenset({"b"})) == [numbers[1]]
    assert listed(before=numbers[1]) == [numbers[0]]


def test_a_request_that_could_not_be_sent_is_forgotten(asking: Asking) -> None:
    asked = asking.ask()
    asking.store.withdraw(asked.number)
    asking.store.withdraw(asked.number)
    with pytest.raises(NotKnown, match="was sent no verdict request"):
        asking.store.get("harbour", asked.number)


def test_a_request_of_another_site_is_not_known(asking: Asking) -> None:
    with pytest.raises(NotKnown, match="site airport was sent no verdict request"):
        asking.store.get("airport", asking.ask().number)
