"""The demo's plan: from measured rates and minutes to amounts, and what is said about them."""

import pytest

from cloud.demo.budget import (
    LEARNING,
    MEASURING_S,
    REFERENCE,
    DemoPlan,
    Slowness,
    plan_campaign,
    plan_demo,
    scaled,
)
from cloud.demo.script import FULL, FootagePhase
from cloud.speed import Speed

HERE = Slowness(1.0, 1.0, 1.0)


def slower(times: float) -> Slowness:
    return HERE.times(times)


@pytest.mark.parametrize(
    ("why", "slowness", "minutes", "fraction", "not_expected"),
    [
        ("the reference machine does all of it", HERE, 12, (1.0, 1.0), set()),
        ("and so it does when it measures a tenth slower", slower(1.1), 12, (1.0, 1.0), set()),
        ("a GPU too", Slowness(0.05, 0.05, 0.8), 12, (1.0, 1.0), set()),
        (
            "three times slower: less of it, and no gain is promised",
            slower(3.0), 12, (0.1, 0.7), {*LEARNING, "uplink_to_footage", "first_frame_s"},
        ),
        (
            "three times slower with the time that a full run needs there",
            slower(3.0), 40, (1.0, 1.0), {"first_frame_s"},
        ),
        ("no bfloat16: only training and generation are slower", Slowness(4.0, 5.0, 1.2), 12, (0.05, 0.7),
         {*LEARNING, "uplink_to_footage"}),
        (
            "far too little time",
            HERE, 2, (0.05, 0.05), {*LEARNING, "uplink_to_footage", "demo_minutes"},
        ),
        (
            "nothing could be measured in time",
            Slowness.of(Speed()), 12, (0.05, 0.05),
            {*LEARNING, "uplink_to_footage", "first_frame_s", "demo_minutes"},
        ),
    ],
)  # fmt: skip
def test_amounts_fit_machine_and_minutes(
    why: str, slowness: Slowness, minutes: float, fraction: tuple[float, float], not_expected: set[str]
) -> None:
    plan = plan_demo(slowness, minutes)
    assert fraction[0] <= plan.fraction <= fraction[1], why
    assert set(plan.not_expected()) == not_expected, why
    assert plan.fits is ("demo_minutes" not in not_expected), why


def test_rates_of_the_reference_machine_are_no_slowness() -> None:
    assert Slowness.of(REFERENCE) == HERE


def test_more_minutes_never_give_less() -> None:
    plans = [plan_demo(slower(3.0), minutes) for minutes in range(2, 40)]
    assert [p.fraction for p in plans] == sorted(p.fraction for p in plans)
    assert plans[0].fraction < plans[-1].fraction == 1.0


def test_the_smallest_profile_still_has_every_phase() -> None:
    least = scaled(0.05)
    assert set(least.segments) == set(FootagePhase)
    assert min(least.segments.values()) >= 1
    assert (least.modes, least.images_per_mode >= 4, least.epochs) == (1, True, 1)
    assert scaled(1.0) == FULL


def said(plan: DemoPlan) -> str:
    return "\n".join(plan.lines())


def test_it_is_said_what_is_chosen_what_more_time_adds_and_what_is_not_to_be_expected() -> None:
    full, less = said(plan_demo(HERE, 12)), said(plan_demo(slower(3.0), 12))
    assert "2 failure modes with 60 images each, 9 epochs" in full
    assert "a longer run would add nothing" in full
    assert "not to be expected" not in full
    assert "a longer run (--minutes " in less
    assert "not to be expected: target_recall_gain_points" in less
    assert "the shortest run takes about" in said(plan_demo(HERE, 2))


def test_the_minutes_named_for_a_full_run_suffice_for_it() -> None:
    named = int(said(plan_demo(slower(3.0), 12)).split("--minutes ")[1].split(")")[0])
    assert plan_demo(slower(3.0), named).fraction == 1.0


def test_the_time_left_falls_within_a_part_and_ends_at_nothing() -> None:
    plan = plan_demo(HERE, 12)
    assert plan.left_s("measure", 0.0) == pytest.approx(plan.expected_s)
    assert plan.left_s("train", 10.0) == pytest.approx(plan.left_s("train", 0.0) - 10.0)
    assert plan.left_s("rest", 1e6) == 0.0


@pytest.mark.parametrize("times", [0.8, 1.0, 1.25])
def test_an_observation_in_time_changes_nothing(times: float) -> None:
    plan = plan_demo(HERE, 12)
    after = plan_campaign(plan, MEASURING_S + times * plan.parts_s["observe"])
    assert after.profile == plan.profile
    assert after.fits


def test_an_observation_that_took_thrice_as_long_makes_the_campaign_smaller_but_not_the_footage() -> None:
    plan = plan_demo(HERE, 12)
    after = plan_campaign(plan, MEASURING_S + 3 * plan.parts_s["observe"])
    assert after.profile.epochs < plan.profile.epochs
    assert after.profile.images_per_mode < plan.profile.images_per_mode
    assert after.profile.segments == plan.profile.segments
    assert set(LEARNING) <= set(after.not_expected())
