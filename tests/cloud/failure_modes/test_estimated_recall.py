"""Estimated recall: tallies summed over sites, kept per source, with shadow reports where there are none."""

import pytest

from cloud.failure_modes.estimated_recall import RecallEstimate, RecallKey, estimate_recall
from cloud.store.report_records import SiteShadow
from messaging.reports import EvidenceSource
from messaging.taxonomy import Condition, Light, Weather
from tests.support.cloud.mode_rows import recall_count
from tests.support.messaging.samples import SHADOW


def test_tallies_are_summed_over_sites_and_kept_per_source() -> None:
    counts = [
        recall_count(10, 4),
        recall_count(10, 6, site="tunnel"),
        recall_count(5, 1, source=EvidenceSource.OPERATOR),
    ]
    (estimate,) = estimate_recall(counts).values()
    assert (estimate.supported, estimate.detected) == (25, 11)
    assert estimate.by_source == {"teacher": (20, 10), "operator": (5, 1)}


def test_a_final_shadow_report_counts_only_without_a_tally() -> None:
    condition = Condition(Light.NIGHT, Weather.RAIN)
    shadows = [SiteShadow("harbour", SHADOW)]
    running = [SiteShadow("harbour", SHADOW.model_copy(update={"final": False}))]
    key = RecallKey(SHADOW.candidate_digest, "fire", condition)
    assert estimate_recall([], shadows)[key].detected == 18
    assert estimate_recall([], running) == {}
    tally = recall_count(4, 1, condition=condition, model_digest=SHADOW.candidate_digest)
    assert estimate_recall([tally], shadows)[key].supported == 4


def test_a_shadow_report_counts_for_candidate_and_incumbent() -> None:
    condition = Condition(Light.NIGHT, Weather.RAIN)
    found = estimate_recall([], [SiteShadow("harbour", SHADOW)])
    tally = SHADOW.tallies[0]
    incumbent = found[RecallKey(SHADOW.incumbent_digest, "fire", condition)]
    assert (incumbent.detected, incumbent.supported) == (tally.incumbent_detected, tally.supported)
    assert incumbent.supported_in_service == 0


def test_more_detected_than_supported_tracks_are_counted_as_all_supported() -> None:
    tally = SHADOW.tallies[0].model_copy(update={"supported": 10, "candidate_detected": 14})
    report = SHADOW.model_copy(update={"tallies": (tally,)})
    key = RecallKey(SHADOW.candidate_digest, "fire", Condition(Light.NIGHT, Weather.RAIN))
    assert estimate_recall([], [SiteShadow("harbour", report)])[key].value == 1.0


def test_without_tracks_there_is_no_value_and_the_centre_is_one_half() -> None:
    assert (RecallEstimate().value, RecallEstimate().interval, RecallEstimate().centre) == (None, (0, 1), 0.5)


def test_the_centre_of_few_tracks_is_nearer_to_one_half() -> None:
    few, many = RecallEstimate(4, 4), RecallEstimate(400, 400)
    assert 0.5 < few.centre < many.centre < 1.0


@pytest.mark.parametrize(("supported", "detected"), [(3, 4), (3, -1)])
def test_impossible_counts_are_refused(supported: int, detected: int) -> None:
    with pytest.raises(ValueError, match="must be between 0 and supported"):
        RecallEstimate(supported, detected)
