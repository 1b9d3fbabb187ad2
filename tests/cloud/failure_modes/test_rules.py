"""Failure modes: grouping, ranking by harm, and the rule that closes them; all pure."""

from collections.abc import Sequence

import pytest

from cloud.failure_modes.estimated_recall import RecallEstimate, estimate_recall
from cloud.failure_modes.register import campaign_candidates
from cloud.failure_modes.rules import (
    CameraEvidence,
    FailureMode,
    ModeKey,
    closing_verdict,
    find_failure_modes,
    misdetection_rate,
    next_status,
    recall_of,
)
from cloud.store.records import ModeState, ModeStatus
from cloud.store.report_records import MisdetectionRow, RecallCount
from messaging.errors import ConfigurationError
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.reports import ErrorKind, EvidenceSource
from messaging.taxonomy import DEFAULT_TAXONOMY, Condition, Light, SizeBin, Weather
from tests.support.cloud.mode_rows import NIGHT, misdetection_row, recall_count
from tests.support.cloud.sample_reports import MINUTE, NEW, OLD

DAY = Condition(Light.DAY, Weather.CLEAR)


def modes(
    rows: Sequence[MisdetectionRow],
    counts: Sequence[RecallCount] = (),
    in_service: frozenset[str] = frozenset(),
) -> list[FailureMode]:
    return find_failure_modes(
        rows, estimate_recall(counts), taxonomy=DEFAULT_TAXONOMY, in_service=in_service, states={}
    )


def test_misdetections_are_grouped_by_class_condition_and_kind() -> None:
    rows = [
        misdetection_row(),
        misdetection_row(condition=DAY),
        misdetection_row(kind=ErrorKind.FALSE_ALARM),
        misdetection_row(class_name="unknown"),
        misdetection_row(),
    ]
    assert {mode.key.id: mode.count for mode in modes(rows)} == {
        "fire.night-clear.missed": 2,
        "fire.day-clear.missed": 1,
        "fire.night-clear.false_alarm": 1,
        "unknown.night-clear.missed": 1,
    }


def test_a_mode_lists_its_sites_cameras_sources_box_sizes_and_times() -> None:
    rows = [
        misdetection_row(minute_utc=MINUTE - 600),
        misdetection_row(site="tunnel", evidence=EvidenceSource.MOTION, size=SizeBin.TINY, probability=0.5),
        misdetection_row(camera="south"),
    ]
    (mode,) = modes(rows)
    assert mode.sites == ("harbour", "tunnel")
    assert mode.cameras == ("harbour/north", "harbour/south", "tunnel/north")
    assert mode.sources == {"teacher": 2, "motion": 1}
    assert {(b.size, b.weight) for b in mode.geometry} == {(SizeBin.SMALL, 2.0), (SizeBin.TINY, 0.5)}
    assert (mode.first_seen_utc, mode.last_seen_utc) == (MINUTE - 600, MINUTE)


def test_misdetections_of_a_mode_are_counted_by_camera() -> None:
    rows = [misdetection_row(), misdetection_row(minute_utc=MINUTE + 60), misdetection_row(site="tunnel")]
    (mode,) = modes([*rows, misdetection_row(camera="south", minute_utc=MINUTE - 60)])
    assert mode.by_camera == {
        "harbour/north": CameraEvidence(2, MINUTE + 60),
        "harbour/south": CameraEvidence(1, MINUTE - 60),
        "tunnel/north": CameraEvidence(1, MINUTE),
    }
    assert sum(one.count for one in mode.by_camera.values()) == mode.count


def test_harm_is_frequency_times_severity_times_one_minus_recall() -> None:
    (mode,) = modes([misdetection_row(), misdetection_row()], [recall_count(100, 20)])
    low, high = mode.recall.interval
    assert mode.frequency_per_hour == 2.0
    assert mode.severity == 5
    assert mode.harm == pytest.approx(2.0 * 5 * (1 - (low + high) / 2))


@pytest.mark.parametrize(
    ("why", "worse", "better"),
    [
        ("more severe", misdetection_row(class_name="fire"), misdetection_row(class_name="garbage")),
        (
            "more probable",
            misdetection_row(probability=1.0),
            misdetection_row(probability=0.2, class_name="fallen_person"),
        ),
    ],
)
def test_the_more_harmful_mode_comes_first(why: str, worse: MisdetectionRow, better: MisdetectionRow) -> None:
    ranked = modes([better, worse])
    assert ranked[0].key.class_name == worse.class_name, why


def test_a_mode_with_higher_recall_ranks_lower() -> None:
    rows = [misdetection_row(), misdetection_row(class_name="fallen_person")]
    ranked = modes(rows, [recall_count(100, 95)])
    assert [mode.key.class_name for mode in ranked] == ["fallen_person", "fire"]


def test_harm_counts_only_models_in_service_but_the_evidence_of_all_is_shown() -> None:
    (mode,) = modes(
        [misdetection_row(), misdetection_row(), misdetection_row(model_digest=NEW)],
        in_service=frozenset([NEW]),
    )
    assert (mode.count, mode.count_in_service, mode.frequency_per_hour) == (3, 1, 1.0)


def test_estimated_recall_is_that_of_the_given_model() -> None:
    recall = estimate_recall(
        [recall_count(40, 10), recall_count(60, 54, model_digest=NEW), recall_count(9, 9, condition=DAY)]
    )
    key = ModeKey("fire", NIGHT, ErrorKind.MISSED)
    assert recall_of(recall, key, {OLD}).value == 0.25
    assert recall_of(recall, key, {NEW}).value == 0.9
    assert recall_of(recall, key, set()).supported == 100


def test_the_rate_is_misdetections_of_independent_sources_per_supported_track_of_the_same_model() -> None:
    key = ModeKey("fire", NIGHT, ErrorKind.MISSED)
    half_seen = [
        misdetection_row(evidence=source) for source in (EvidenceSource.TRACK_GAP, EvidenceSource.LOW_MARGIN)
    ]
    rows = [
        misdetection_row(),
        misdetection_row(probability=0.25),
        misdetection_row(model_digest=NEW),
        misdetection_row(condition=DAY),
        *half_seen,
    ]
    assert misdetection_rate(rows, key, {OLD}, RecallEstimate(40, 38)) == 1.25 / 40
    assert misdetection_rate(rows, key, {OLD}, RecallEstimate()) is None
    shadowed = RecallEstimate(60, 50, {EvidenceSource.SHADOW: (60, 50)})
    assert misdetection_rate(rows, key, {NEW}, shadowed) is None  # in shadow nothing is reported as missed
    assert closing_verdict(shadowed, target=0.5, rate=None, baseline_rate=0.5) is ModeStatus.WAITING


def test_candidates_are_trainable_modes_and_first_those_with_enough_tracks_to_close() -> None:
    rows = [
        *[misdetection_row(class_name="fallen_person")] * 3,
        *[
            misdetection_row(kind=kind)
            for kind in (ErrorKind.MISSED, ErrorKind.WRONG_CLASS, ErrorKind.FALSE_ALARM)
        ],
        misdetection_row(class_name=UNKNOWN_CLASS),
    ]
    ranked = modes(rows, [recall_count(40, 10)])
    assert ranked[0].key.class_name == "fallen_person"
    assert [mode.key.id for mode in campaign_candidates(ranked, DEFAULT_TAXONOMY.names)] == [
        "fire.night-clear.missed",
        "fire.night-clear.wrong_class",
        "fallen_person.night-clear.missed",
    ]


@pytest.mark.parametrize(
    ("why", "tracks", "detected", "rate", "baseline", "verdict"),
    [
        ("high recall, rate halved", 60, 57, 0.05, 0.6, ModeStatus.CLOSED),
        ("exactly half is halved", 60, 57, 0.3, 0.6, ModeStatus.CLOSED),
        ("29 tracks are too few", 29, 29, 0.0, 0.6, ModeStatus.WAITING),
        ("30 tracks are enough", 30, 30, 0.0, 0.6, ModeStatus.CLOSED),
        ("recall above, its lower bound below the target", 30, 18, 0.1, 0.6, ModeStatus.OPEN),
        ("rate has not halved", 60, 57, 0.31, 0.6, ModeStatus.OPEN),
        ("no rate from before to compare with", 60, 57, 0.0, None, ModeStatus.WAITING),
        ("nothing supported yet", 0, 0, None, 0.6, ModeStatus.WAITING),
    ],
)
def test_the_closing_rule(
    why: str, tracks: int, detected: int, rate: float | None, baseline: float | None, verdict: ModeStatus
) -> None:
    found = closing_verdict(RecallEstimate(tracks, detected), target=0.5, rate=rate, baseline_rate=baseline)
    assert found is verdict, why


@pytest.mark.parametrize(
    ("now", "verdict", "then"),
    [
        (ModeStatus.WAITING, ModeStatus.CLOSED, ModeStatus.CLOSED),
        (ModeStatus.WAITING, ModeStatus.WAITING, ModeStatus.WAITING),
        (ModeStatus.WAITING, ModeStatus.OPEN, ModeStatus.REOPENED),
        (ModeStatus.CLOSED, ModeStatus.OPEN, ModeStatus.REOPENED),
        (ModeStatus.CLOSED, ModeStatus.WAITING, ModeStatus.CLOSED),
        (ModeStatus.REOPENED, ModeStatus.CLOSED, ModeStatus.CLOSED),
        (ModeStatus.OPEN, ModeStatus.CLOSED, ModeStatus.CLOSED),
        (ModeStatus.OPEN, ModeStatus.OPEN, ModeStatus.OPEN),
        (ModeStatus.OPEN, ModeStatus.WAITING, ModeStatus.OPEN),
        (ModeStatus.IN_CAMPAIGN, ModeStatus.CLOSED, ModeStatus.IN_CAMPAIGN),
    ],
)
def test_too_few_tracks_change_nothing_and_a_closed_mode_is_reopened_by_the_same_rule(
    now: ModeStatus, verdict: ModeStatus, then: ModeStatus
) -> None:
    assert next_status(now, verdict) is then


def test_a_mode_has_the_state_that_is_stored_for_it() -> None:
    state = ModeState("fire.night-clear.missed", ModeStatus.CLOSED, MINUTE, baseline_rate=0.4)
    (mode,) = find_failure_modes(
        [misdetection_row()],
        {},
        taxonomy=DEFAULT_TAXONOMY,
        in_service=frozenset(),
        states={state.mode: state},
    )
    assert mode.state is state


@pytest.mark.parametrize(
    "text", ["fire", "fire.night.missed", "fire.night-clear.lost", ".night-clear.missed"]
)
def test_a_mode_id_of_another_form_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not"):
        ModeKey.parse(text)


def test_a_mode_id_reads_back_as_it_was_written() -> None:
    key = ModeKey("fallen_person", Condition(Light.DUSK, Weather.FOG), ErrorKind.WRONG_CLASS)
    assert ModeKey.parse(key.id) == key
