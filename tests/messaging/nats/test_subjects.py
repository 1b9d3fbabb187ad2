"""Subjects are built and parsed in one place, and fall under the streams made from the same table."""

import pytest

from messaging.errors import MessageRefused
from messaging.memory_bus import subject_matches
from messaging.nats.streams import hub_streams, site_streams
from messaging.nats.subjects import (
    lane_subjects,
    parse_report_subject,
    published_subject,
    report_subject,
)
from messaging.wire_format.codec import PAYLOADS, Lane


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
def test_a_report_subject_is_taken_apart_again(kind: str) -> None:
    parts = parse_report_subject(report_subject("s1", kind, "ID"))
    assert (parts.site, parts.kind, parts.id) == ("s1", kind, "ID")


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "site",
        "site.s1.report.hazard",
        "site.s1.report.snapshot.ID",
        "site.s1.report.hazard.ID.more",
        "house.s1.report.hazard.ID",
        "site.s1.cmd.wake.ID",
    ],
)
def test_what_is_no_report_subject_is_refused(subject: str) -> None:
    with pytest.raises(MessageRefused):
        parse_report_subject(subject)


def test_a_subject_is_stored_without_the_id_and_read_with_it() -> None:
    (reports, *_) = hub_streams()
    published = report_subject("s1", "hazard", "ID")
    assert reports.stored_subject(published) == "site.s1.report.hazard"
    assert published_subject("site.s1.report.hazard", "ID") == published
    assert published_subject(published, "ID") == published
    assert not any(subject_matches(p, f"{published}.more") for p in reports.subjects)


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
def test_each_kind_has_exactly_one_stream_at_the_site_and_one_at_the_hub(kind: str) -> None:
    subject = report_subject("s1", kind, "ID")
    expected = 0 if PAYLOADS[kind].lane is Lane.LATEST else 1
    for streams in (site_streams("s1"), hub_streams()):
        assert sum(subject_matches(p, subject) for s in streams for p in s.subjects) == expected


def test_a_sites_streams_take_nothing_of_another_site() -> None:
    foreign = report_subject("s2", "hazard", "ID")
    assert not [p for s in site_streams("s1") for p in s.subjects if subject_matches(p, foreign)]
    assert set(lane_subjects("s1", Lane.HAZARDS)).isdisjoint(lane_subjects("s1", Lane.EVIDENCE))


def test_every_stream_is_bounded_and_deduplicates_for_two_hours() -> None:
    for spec in (*site_streams("s1"), *hub_streams()):
        assert spec.max_bytes > 0
        assert spec.max_message_bytes <= 16 * 1024
        assert spec.duplicate_window_s == 7200.0
