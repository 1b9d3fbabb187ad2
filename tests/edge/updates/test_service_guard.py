"""A model that turns out worse in service goes back within a quarter of an hour; an honest one never does."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge.updates.service_guard import REPORT_EVERY_S, worse_in_service
from edge.updates.shadow import PairedCounts
from messaging.reports import GuardOutcome, SwapOutcome, SwapReason
from tests.support.edge.scripted_site import POLICY, QUARTER_S, Behaviour, ScriptedSite, Street
from tests.support.edge.weights_site import drain
from tests.support.release_fleet import NOW


@pytest.mark.parametrize(
    ("bad", "taught"),
    [
        pytest.param(Behaviour(recall=0.6), True, id="recall 20 points lower"),
        pytest.param(Behaviour(alarms=5), True, id="alarm storm"),
        pytest.param(Behaviour(alarms=5), False, id="alarm storm, no teacher"),
        pytest.param(Behaviour(recall=0.0), True, id="no output"),
        pytest.param(Behaviour(recall=0.0), False, id="no output, no teacher"),
        pytest.param(Behaviour(frame_ms=200.0), False, id="ten times slower"),
    ],
)
def test_a_worse_model_is_put_back_within_a_quarter_of_an_hour_of_footage(
    tmp_path: Path, bad: Behaviour, taught: bool
) -> None:
    site = ScriptedSite(tmp_path, Street(), taught=taught)
    drain(site.store)
    site.order("new", bad)
    assert site.run(QUARTER_S - 70, until="old") < QUARTER_S - 70
    receipt = drain(site.store)[-1]
    assert (receipt.outcome, receipt.reason) == (SwapOutcome.ROLLED_BACK, SwapReason.WORSE_IN_SERVICE)
    assert receipt.digest == site.releases["new"].digest
    site.restart()
    assert site.name == "old"


@pytest.mark.parametrize("taught", [True, False])
@pytest.mark.parametrize(
    ("before", "honest", "objects"),
    [
        pytest.param(Behaviour(), Behaviour(), True, id="equal"),
        pytest.param(Behaviour(recall=0.1), Behaviour(recall=0.9), True, id="a blind spot is closed"),
        pytest.param(Behaviour(), Behaviour(recall=0.76), True, id="a little worse"),
        pytest.param(Behaviour(flag=True), Behaviour(), False, id="a standing false alarm is gone"),
        pytest.param(Behaviour(), Behaviour(recall=0.0), False, id="an empty street"),
        pytest.param(Behaviour(), Behaviour(flag=True), True, id="one new standing false alarm"),
        pytest.param(Behaviour(), Behaviour(frame_ms=39.0), True, id="twice the latency"),
    ],
)
def test_an_honest_model_stays(
    tmp_path: Path, before: Behaviour, honest: Behaviour, objects: bool, taught: bool
) -> None:
    site = ScriptedSite(tmp_path, Street(objects=objects), taught=taught)
    site.behaviours["old"] = before
    site.order("new", honest)
    site.run(QUARTER_S)
    assert site.name == "new"
    assert SwapOutcome.ROLLED_BACK not in {receipt.outcome for receipt in site.store.receipts()}


def test_a_model_that_is_worse_while_on_probation_goes_back_with_the_same_reason(tmp_path: Path) -> None:
    site = ScriptedSite(tmp_path, Street(), taught=False)
    drain(site.store)
    site.trial_s = 1e9
    site.restart()
    site.order("new", Behaviour(alarms=5))
    site.run(300, until="old")
    site.run(20)
    assert [(r.outcome, r.reason) for r in drain(site.store)] == [
        (SwapOutcome.ROLLED_BACK, SwapReason.WORSE_IN_SERVICE)
    ]
    assert site.name == "old"


def test_the_comparison_goes_on_after_a_restart(tmp_path: Path) -> None:
    site = ScriptedSite(tmp_path, Street(), taught=True)
    site.order("new", Behaviour(alarms=5))
    site.restart()
    assert site.name == "new"
    assert site.run(300, until="old") < 300


def test_an_order_back_is_not_undone_because_the_unwanted_model_finds_more(tmp_path: Path) -> None:
    site = ScriptedSite(tmp_path, Street(), taught=True)
    site.order("new", Behaviour(recall=1.0))
    site.behaviours["old"] = Behaviour(recall=0.3)
    site.order("old", Behaviour(recall=0.3), downgrade=True)
    site.run(600)
    assert site.name == "old"


def test_the_comparison_ends_in_time(tmp_path: Path) -> None:
    site = ScriptedSite(tmp_path, Street(), taught=False)
    site.order("new", Behaviour())
    assert site.updates.shadow is not None
    assert site.updates.shadow_reports(NOW) == []
    site.time_s += int(POLICY.for_s)
    site.updates.tick(NOW + site.time_s)
    assert site.updates.shadow is None


def test_what_is_measured_is_reported_every_ten_minutes_and_at_the_end(tmp_path: Path) -> None:
    site = ScriptedSite(tmp_path, Street(), taught=True)
    site.order("new", Behaviour(recall=0.9))
    assert site.updates.guard_reports(NOW + site.time_s) == []
    site.run(REPORT_EVERY_S)
    (so_far,) = site.updates.guard_reports(NOW + site.time_s)
    assert site.updates.guard_reports(NOW + site.time_s + 1) == [], "not due again"
    digests = [site.releases[name].digest for name in ("new", "old")]
    assert so_far.outcome is GuardOutcome.COMPARING
    assert [so_far.model_digest, so_far.previous_digest] == digests
    assert (so_far.latency_ms, so_far.frames) == (20.0, pytest.approx(REPORT_EVERY_S, rel=0.2))
    recall = so_far.teacher_recall
    assert recall is not None
    assert recall.recall == pytest.approx(0.9, abs=0.1)
    assert recall.previous_recall == pytest.approx(0.8, abs=0.1)
    site.run(int(POLICY.for_s))
    outcomes = [one.outcome for one in site.updates.guard_reports(NOW + site.time_s)]
    assert outcomes == [GuardOutcome.PASSED]


def test_a_model_that_is_worse_is_reported_with_what_was_measured_of_it(tmp_path: Path) -> None:
    site = ScriptedSite(tmp_path, Street(), taught=True)
    site.order("new", Behaviour(alarms=5))
    site.run(QUARTER_S, until="old")
    (found,) = site.updates.guard_reports(NOW + site.time_s)
    assert (found.outcome, found.model_digest) == (GuardOutcome.WORSE, site.releases["new"].digest)
    assert found.alarms_per_frame > 4 > 1 > found.previous_alarms_per_frame


@pytest.mark.parametrize("taught", [True, False])
def test_no_recall_is_reported_of_few_tracks_or_without_a_teacher(tmp_path: Path, taught: bool) -> None:
    site = ScriptedSite(tmp_path, Street(objects=not taught), taught=taught)
    site.order("new", Behaviour())
    site.run(REPORT_EVERY_S)
    (found,) = site.updates.guard_reports(NOW + site.time_s)
    assert found.teacher_recall is None


def test_a_comparison_that_an_order_back_ends_is_neither_passed_nor_worse(
    tmp_path: Path,
) -> None:
    site = ScriptedSite(tmp_path, Street(), taught=True)
    site.order("new", Behaviour())
    site.order("old", Behaviour(), downgrade=True)
    site.run(int(POLICY.for_s))
    assert site.updates.guard_reports(NOW + site.time_s) == []


EQUAL = PairedCounts(
    frames=1000,
    with_boxes=900,
    unconfirmed=(50, 50),
    supported=200,
    detected=(180, 180),
    alone=(10, 10),
    unsupported=(10, 10),
    timed=200,
    median_ms=(25.0, 25.0),
    taught=True,
)


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"median_ms": (101.0, 25.0)}, "101 ms, 25 ms before"),
        ({"median_ms": (101.0, 25.0), "timed": 19}, None),
        ({"median_ms": (39.0, 2.0)}, None),
        ({"alone": (5, 45)}, "misses 45 of 200 tracks"),
        ({"alone": (5, 45), "taught": False}, None),
        ({"alone": (5, 45), "frames": 99}, None),
        ({"alone": (20, 38)}, None),
        ({"alone": (5, 30)}, None),
        ({"alone": (1, 29)}, "misses 29 of 200 tracks"),
        ({"alone": (0, 8), "supported": 20}, None),
        ({"unconfirmed": (1001, 50)}, "1.0 unconfirmed boxes per frame, 0.1 before"),
        ({"unconfirmed": (999, 50)}, None),
        ({"unconfirmed": (3000, 700)}, None),
        ({"unconfirmed": (3999, 50), "taught": False}, None),
        ({"unconfirmed": (4001, 50), "taught": False}, "4.0 unconfirmed boxes per frame"),
        ({"with_boxes": 0, "unsupported": (0, 20)}, "no output in 1000 frames; 20 tracks before"),
        ({"with_boxes": 0, "unsupported": (0, 19)}, None),
        ({"with_boxes": 1, "unsupported": (0, 99)}, None),
    ],
)
def test_what_is_worse_and_what_is_not(changes: dict[str, object], phrase: str | None) -> None:
    assert worse_in_service(EQUAL, POLICY) is None
    worse = worse_in_service(replace(EQUAL, **changes), POLICY)  # type: ignore[arg-type]  # a case's counts
    assert worse is None if phrase is None else phrase in str(worse)
