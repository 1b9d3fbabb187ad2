"""Which candidate may be released for trial and which for service, in tables of cases."""

import re

import pytest

from cloud.evaluation.evaluate import Evaluation, Tally
from cloud.evaluation.promotion import (
    ComparisonResult,
    Outcome,
    Target,
    service_verdict,
    trial_verdict,
)
from cloud.settings import PromotionSettings
from messaging.releases import Channel
from messaging.reports import ShadowReport, ShadowTally
from messaging.taxonomy import Condition, Light, Weather

NIGHT = Condition(Light.NIGHT, Weather.CLEAR)
TARGET = Target("smoke", NIGHT)


def _evaluation(*cells: tuple[str, str, int, int, int]) -> Evaluation:
    """Cells: class, condition, hits, true boxes, false alarms."""
    tallies = [Tally(c, s, 50, hits, false, truths - hits, 0.5, 0.3) for c, s, hits, truths, false in cells]
    return Evaluation("x", "d" * 64, 100, tuple(tallies))


BEFORE = _evaluation(("fire", "day-clear", 80, 100, 5), ("smoke", "night-clear", 10, 40, 5))


@pytest.mark.parametrize(
    ("cells", "outcome", "phrase"),
    [
        ([("fire", "day-clear", 80, 100, 5), ("smoke", "night-clear", 30, 40, 5)], Outcome.PASS, "no worse"),
        ([("fire", "day-clear", 78, 100, 5), ("smoke", "night-clear", 10, 40, 5)], Outcome.PASS, "no worse"),
        (
            [("fire", "day-clear", 75, 100, 5), ("smoke", "night-clear", 30, 40, 5)],
            Outcome.FAIL,
            "80/100 -> 75/100",
        ),
        (
            [("fire", "day-clear", 80, 100, 25), ("smoke", "night-clear", 30, 40, 5)],
            Outcome.FAIL,
            "precision",
        ),
        ([("fire", "day-clear", 80, 100, 5), ("smoke", "night-clear", 0, 40, 0)], Outcome.FAIL, "smoke"),
    ],
    ids=["gain", "within the margin", "class lost recall", "class lost precision", "target destroyed"],
)
def test_a_candidate_passes_for_trial_unless_the_holdout_shows_harm(
    cells: list[tuple[str, str, int, int, int]], outcome: Outcome, phrase: str
) -> None:
    verdict = trial_verdict(BEFORE, _evaluation(*cells), {TARGET}, PromotionSettings())
    assert (verdict.channel, verdict.outcome) == (Channel.TRIAL, outcome)
    assert phrase in verdict.reason


@pytest.mark.parametrize(
    ("hits", "truths", "outcome"),
    [(54, 60, Outcome.PASS), (45, 60, Outcome.FAIL), (108, 120, Outcome.FAIL)],
    ids=["few boxes: may be chance", "few boxes: beyond chance", "many boxes: beyond the margin"],
)
def test_a_class_with_few_boxes_is_compared_by_its_interval(hits: int, truths: int, outcome: Outcome) -> None:
    before = _evaluation(("fire", "day-clear", truths * 19 // 20, truths, 0))
    verdict = trial_verdict(
        before, _evaluation(("fire", "day-clear", hits, truths, 0)), set(), PromotionSettings()
    )
    assert verdict.outcome is outcome


def test_without_significance_only_the_margins_refuse() -> None:
    few = [_evaluation(("fire", "day-clear", hits, 6, 0)) for hits in (6, 2)]
    report = _shadow(("smoke", NIGHT, 20, 20, 2, 0, 0))
    margins = PromotionSettings(significance=False, enough_tracks=1)
    assert trial_verdict(*few, set(), PromotionSettings()).outcome is Outcome.FAIL
    assert trial_verdict(*few, set(), margins).outcome is Outcome.PASS
    assert service_verdict([report], {TARGET}, PromotionSettings()).outcome is Outcome.FAIL
    assert service_verdict([report], {TARGET}, margins).outcome is Outcome.PASS
    many = [_evaluation(("fire", "day-clear", hits, 600, 0)) for hits in (600, 200)]
    assert trial_verdict(*many, set(), margins).outcome is Outcome.FAIL


def test_a_large_drop_in_one_condition_fails_even_if_the_class_has_none() -> None:
    before = _evaluation(("fire", "day-clear", 400, 500, 0), ("fire", "day-fog", 20, 25, 0))
    after = _evaluation(("fire", "day-clear", 410, 500, 0), ("fire", "day-fog", 12, 25, 0))
    verdict = trial_verdict(before, after, set(), PromotionSettings())
    assert verdict.outcome is Outcome.FAIL
    assert "day-fog" in verdict.reason


def test_a_target_that_the_holdout_lacks_is_marked_and_decided_by_the_shadow_runs() -> None:
    absent = Target("smoke", Condition(Light.NIGHT, Weather.FOG))
    verdict = trial_verdict(BEFORE, BEFORE, {absent}, PromotionSettings())
    assert verdict.passed
    assert "no cloud evidence for smoke night-fog" in verdict.reason
    assert [f.result for f in verdict.findings if f.condition == "night-fog"] == [
        ComparisonResult.NO_CLOUD_EVIDENCE
    ]


def _shadow(*cells: tuple[str, Condition, int, int, int, int, int], **changes: float) -> ShadowReport:
    """Cells: class, condition, supported, incumbent, candidate, then unsupported of both."""
    tallies = tuple(
        ShadowTally(
            class_name=c,
            light=s.light,
            weather=s.weather,
            supported=n,
            incumbent_detected=i,
            candidate_detected=k,
            incumbent_unsupported=a,
            candidate_unsupported=b,
        )
        for c, s, n, i, k, a, b in cells
    )
    fields: dict[str, object] = {
        "incumbent_digest": "a" * 64,
        "candidate_digest": "b" * 64,
        "frames": 1000,
        "candidate_p95_ms": 10,
        "incumbent_p95_ms": 10,
        "candidate_failures": 0,
        "tallies": tallies,
        "final": True,
        "minute_utc": 1_800_000_000,
        **changes,
    }
    return ShadowReport.model_validate(fields)


DAY = Condition(Light.DAY, Weather.CLEAR)


@pytest.mark.parametrize(
    ("reports", "outcome", "phrase"),
    [
        ([_shadow(("smoke", NIGHT, 60, 15, 40, 2, 2))], Outcome.PASS, "gained"),
        ([_shadow(("smoke", NIGHT, 30, 8, 20, 1, 1))] * 2, Outcome.PASS, "gained"),
        ([_shadow(("smoke", NIGHT, 20, 2, 18, 0, 0))], Outcome.WAIT, "not enough"),
        ([_shadow(("smoke", NIGHT, 60, 30, 33, 0, 0))], Outcome.WAIT, "not enough"),
        ([], Outcome.WAIT, "smoke night-clear"),
        ([_shadow(("smoke", NIGHT, 400, 200, 204, 0, 0))], Outcome.FAIL, "no gain"),
        (
            [_shadow(("smoke", NIGHT, 60, 15, 40, 2, 2), ("fire", DAY, 80, 70, 40, 0, 0))],
            Outcome.FAIL,
            "fire day-clear recall 70/80 -> 40/80",
        ),
        ([_shadow(("smoke", NIGHT, 60, 15, 40, 3, 40))], Outcome.FAIL, "unsupported"),
        ([_shadow(("smoke", NIGHT, 60, 15, 40, 0, 0), candidate_failures=3)], Outcome.FAIL, "3 frames"),
        ([_shadow(("smoke", NIGHT, 60, 15, 40, 0, 0), candidate_p95_ms=50)], Outcome.FAIL, "too slow"),
    ],
    ids=[
        "clear gain",
        "gain summed over two sites",
        "too few tracks",
        "gain not significant",
        "no report",
        "enough tracks and no gain",
        "another class lost",
        "many more false alarms",
        "inference failed",
        "slow",
    ],
)
def test_a_candidate_passes_for_service_only_with_a_significant_gain_and_no_loss(
    reports: list[ShadowReport], outcome: Outcome, phrase: str
) -> None:
    verdict = service_verdict(reports, {TARGET}, PromotionSettings())
    assert (verdict.channel, verdict.outcome) == (Channel.SERVICE, outcome)
    assert phrase in verdict.reason


def test_every_target_must_gain() -> None:
    other = Target("fire", DAY)
    report = _shadow(("smoke", NIGHT, 60, 15, 40, 0, 0), ("fire", DAY, 60, 30, 30, 0, 0))
    assert service_verdict([report], {TARGET, other}, PromotionSettings()).outcome is Outcome.WAIT
    assert service_verdict([report], {TARGET}, PromotionSettings()).outcome is Outcome.PASS


def test_an_insignificant_loss_elsewhere_is_no_harm() -> None:
    report = _shadow(("smoke", NIGHT, 60, 15, 40, 0, 0), ("fire", DAY, 50, 45, 42, 1, 2))
    assert service_verdict([report], {TARGET}, PromotionSettings()).outcome is Outcome.PASS


NEW = Target("fallen_tree", DAY)


@pytest.mark.parametrize(
    ("cell", "outcome", "phrase"),
    [
        (("fallen_tree", "day-clear", 5, 12, 1), Outcome.PASS, r"fallen_tree \(recall 5/12; false alarms"),
        (("fallen_tree", "day-clear", 0, 0, 0), Outcome.PASS, "recall not measured; false alarms .* 0/100"),
        (("fallen_tree", "day-clear", 0, 12, 0), Outcome.FAIL, "fallen_tree all recall 0/0 -> 0/12: worse"),
        (("fallen_tree", "day-clear", 5, 12, 9), Outcome.FAIL, "false alarms per image 0/0 -> 9/100: worse"),
    ],
    ids=["found", "not in the holdout", "never found", "false alarms"],
)
def test_a_new_class_is_found_on_the_holdout_if_it_is_there_without_many_false_alarms(
    cell: tuple[str, str, int, int, int], outcome: Outcome, phrase: str
) -> None:
    old = [("fire", "day-clear", 80, 100, 5), ("smoke", "night-clear", 10, 40, 5)]
    verdict = trial_verdict(BEFORE, _evaluation(*old, cell), {NEW}, PromotionSettings(), {"fallen_tree"})
    assert verdict.outcome is outcome
    assert re.search(phrase, verdict.reason), verdict.reason


def test_a_new_class_does_not_excuse_a_loss_of_an_old_one() -> None:
    cells = [("fire", "day-clear", 60, 100, 5), ("smoke", "night-clear", 10, 40, 5)]
    after = _evaluation(*cells, ("fallen_tree", "day-clear", 9, 12, 0))
    verdict = trial_verdict(BEFORE, after, {NEW}, PromotionSettings(), {"fallen_tree"})
    assert verdict.outcome is Outcome.FAIL
    assert "fire" in verdict.reason


@pytest.mark.parametrize(
    ("frames", "unsupported", "outcome", "phrase"),
    [
        (100, 0, Outcome.WAIT, "a new class needs 3000 frames in shadow, 100 were processed"),
        (3000, 4, Outcome.PASS, r"nothing lost in shadow.*fallen_tree \(unconfirmed tracks per frame 4/3000"),
        (3000, 100, Outcome.FAIL, "unconfirmed tracks per frame 0/0 -> 100/3000: worse"),
    ],
    ids=["too few frames", "quiet", "noisy"],
)
def test_a_new_class_passes_for_service_when_enough_frames_show_few_tracks_of_it(
    frames: int, unsupported: int, outcome: Outcome, phrase: str
) -> None:
    tree = ("fallen_tree", DAY, 0, 0, 0, 0, unsupported)
    report = _shadow(("smoke", NIGHT, 60, 30, 31, 0, 0), tree)
    report = report.model_copy(update={"frames": frames})
    verdict = service_verdict([report], {NEW}, PromotionSettings(), {"fallen_tree"})
    assert verdict.outcome is outcome
    assert re.search(phrase, verdict.reason), verdict.reason


def test_a_target_of_an_old_class_must_gain_beside_a_new_class() -> None:
    report = _shadow(("smoke", NIGHT, 60, 30, 30, 0, 0)).model_copy(update={"frames": 5000})
    verdict = service_verdict([report], {TARGET, NEW}, PromotionSettings(), {"fallen_tree"})
    assert verdict.outcome is Outcome.WAIT
