"""Estimated recall: tallies summed over sites, kept per source, with shadow reports where there are none."""

import pytest

from cloud.failure_modes.estimated_recall import RecallEstimate, RecallKey, estimate_recall
from cloud.failure_modes.site_shares import SiteShares
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


FLEET = SiteShares(largest=0.1)
HONEST = [recall_count(100, 30, site=f"site-{n}") for n in range(9)]


@pytest.mark.parametrize("detected", [0, 100_000])
def test_one_site_with_a_thousand_times_the_tracks_does_not_decide_the_recall(detected: int) -> None:
    counts = [*HONEST, recall_count(100_000, detected, site="liar")]
    (free,) = estimate_recall(counts).values()
    (limited,) = estimate_recall(counts, shares=FLEET).values()
    assert free.value == pytest.approx(detected / 100_000, abs=0.01), "without the limit the liar decides"
    assert limited.value == pytest.approx(0.37 if detected else 0.27)
    assert limited.low < 0.4, "nothing is closed by it"
    assert (limited.supported, limited.detected) == (100_900, 270 + detected), "counts are shown as reported"


def test_the_limit_costs_an_honest_fleet_no_more_than_the_tracks_above_the_median() -> None:
    counts = [recall_count(tracks, tracks // 2, site=f"site-{tracks}") for tracks in (40, 60, 80, 100, 400)]
    (limited,) = estimate_recall(counts, shares=FLEET).values()
    assert limited.value == pytest.approx(0.5)
    assert limited.weights is not None
    assert limited.weights.supported == pytest.approx(40 + 60 + 3 * 80)
    assert 300 < limited.effective < 680


def test_a_site_on_probation_weighs_less_and_one_without_tracks_nothing() -> None:
    shares = SiteShares(largest=0.1, weights={"new": 0.25})
    counts = [recall_count(100, 0), recall_count(100, 100, site="new"), recall_count(0, 0, site="idle")]
    (limited,) = estimate_recall(counts, shares=shares).values()
    assert limited.value == pytest.approx(25 / 125)
