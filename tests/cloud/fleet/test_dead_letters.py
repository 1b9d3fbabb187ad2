"""Refused messages are kept within bounds, and pass the same checks when they are replayed."""

from pathlib import Path

import pytest

from cloud.errors import NotKnown, NotNow
from cloud.fleet.dead_letters import DeadLetters
from cloud.fleet.report_checks import ReportRefused
from cloud.metrics import CloudMetrics
from cloud.store import report_store
from cloud.store.report_store import ReportStore
from messaging.nats.subjects import report_subject
from messaging.reports import Report
from messaging.wire_format.codec import Message, encode
from tests.support.cloud.sample_reports import MINUTE, checks_of, counts, message, misdetection, open_store

DAY_S = 86_400


def refused(store: ReportStore, report: Report, site: str = "harbour") -> Message:
    """Keep a message as intake does when it refuses it."""
    sent = message(report, site)
    subject = report_subject(site, sent.kind, sent.id)
    store.put_dead_letter(subject=subject, message_id=sent.id, reason="why", data=encode(sent))
    return sent


def test_a_replayed_letter_is_stored_once_and_removed(tmp_path: Path) -> None:
    database, store = open_store(tmp_path)
    letters = DeadLetters(store, checks_of(database), CloudMetrics())
    for _ in range(2):
        sent = refused(store, misdetection())
        assert letters.replay(store.dead_letters()[0].id) == 1
        assert store.dead_letters() == []
    store.put_dead_letter(
        subject=report_subject("harbour", sent.kind, sent.id),
        message_id=sent.id,
        reason="",
        data=encode(sent),
    )
    assert letters.replay(store.dead_letters()[0].id) == 0
    assert counts(store) == {"misdetection": 2}


@pytest.mark.parametrize(
    ("why", "report", "sentence"),
    [
        ("its class is still unknown", misdetection(class_name="invented"), "hazard class 'invented'"),
        ("its time is still ahead", misdetection(minute_utc=MINUTE + DAY_S), "s ahead"),
    ],
)
def test_a_letter_that_is_refused_again_stays(
    why: str, report: Report, sentence: str, tmp_path: Path
) -> None:
    database, store = open_store(tmp_path)
    refused(store, report)
    number = store.dead_letters()[0].id
    with pytest.raises(NotNow, match=f"dead letter {number} is refused again: .*{sentence}"):
        DeadLetters(store, checks_of(database), CloudMetrics()).replay(number)
    assert [letter.id for letter in store.dead_letters()] == [number], why
    assert counts(store) == {}


def test_a_letter_of_a_revoked_site_and_one_of_rubbish_are_not_taken(tmp_path: Path) -> None:
    database, store = open_store(tmp_path)
    letters = DeadLetters(store, checks_of(database), CloudMetrics())
    store.put_dead_letter(subject="site.quay.report.hazard.X", message_id="X", reason="", data=b"\xff\xd8")
    store.add_site("harbour")
    store.revoke_site("harbour")
    refused(store, misdetection())
    for letter in store.dead_letters():
        with pytest.raises(NotNow):
            letters.replay(letter.id)
    with pytest.raises(NotKnown, match="dead letter 99 is not known"):
        letters.replay(99)
    assert len(store.dead_letters()) == 2


def test_an_old_letter_is_as_old_as_at_its_receipt(tmp_path: Path) -> None:
    database, store = open_store(tmp_path)
    sent = message(misdetection(minute_utc=MINUTE - 29 * DAY_S))
    known = checks_of(database).known_now([])
    known.check(sent, received_at=MINUTE)
    with pytest.raises(ReportRefused, match="59 days before its receipt"):
        known.check(sent, received_at=MINUTE + 30 * DAY_S)
    assert store.dead_letters() == []


def test_junk_of_one_site_displaces_no_letter_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_store, "KEPT_LETTERS", 3)
    _, store = open_store(tmp_path)
    kept = [refused(store, misdetection(), "a_b").id]
    junk = [refused(store, misdetection(), "a-b").id for _ in range(7)]
    assert [letter.message_id for letter in store.dead_letters()] == [*reversed(junk[-3:]), *kept]
