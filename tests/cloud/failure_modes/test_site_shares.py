"""A site that lies decides at most its share of a plan; small and new fleets work without limits."""

from collections import Counter

import pytest

from cloud.failure_modes.register import campaign_candidates
from cloud.failure_modes.site_shares import SiteShares, site_shares
from cloud.store.report_records import Site
from messaging.taxonomy import DEFAULT_TAXONOMY
from tests.support.cloud.mode_rows import misdetection_row
from tests.support.cloud.sample_reports import MINUTE
from tests.support.figures.lying_site import (
    DAY_S,
    LIES,
    SETTINGS,
    SNOW,
    Lie,
    PartOfPlan,
    figures,
    fleet,
    honest,
    lie,
    modes,
    part_of_plan,
    shares_of,
)


@pytest.mark.parametrize("told", LIES, ids=lambda told: told.name)
def test_one_liar_of_ten_sites_decides_at_most_a_tenth_of_a_plan(told: Lie) -> None:
    part = part_of_plan(told)
    assert part.limited <= 10
    assert part.unlimited > 10


def test_the_figure_is_the_worst_lie_and_its_control_the_least() -> None:
    share, control = figures([PartOfPlan(3.0, 90.0), PartOfPlan(10.5, 9.5)])
    assert (share.value, share.holds) == (10.5, False)
    assert (control.value, control.holds) == (9.5, False)


def test_a_mode_that_the_fleet_reports_comes_before_one_that_a_single_site_reports() -> None:
    rows = honest([f"s{n}" for n in range(9)]) + lie("fire", SNOW)
    found = modes(rows, shares_of(fleet(10)))
    assert found[0].key.class_name == "fire"
    assert [m.key.class_name for m in campaign_candidates(found, DEFAULT_TAXONOMY.names)][-1] == "fire"


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_in_small_and_new_fleets_all_evidence_counts_as_it_is(number: int) -> None:
    rows = [misdetection_row(site=f"s{n}") for n in range(number) for _ in range(1 + 9 * n)]
    shares = shares_of(fleet(number, age_days=0))
    assert modes(rows, shares) == modes(rows, SiteShares())
    assert modes(rows, shares)[0].images_fraction == 1.0


def test_evidence_that_all_sites_give_gets_all_images_and_of_one_site_its_share() -> None:
    shares = shares_of(fleet(8))
    assert shares.images_fraction(Counter({f"s{n}": 5 for n in range(8)})) == pytest.approx(1.0)
    tenths = shares_of(fleet(10)).images_fraction({f"s{n}": sum([0.1] * 7) for n in range(10)})
    assert tenths == 1.0
    assert shares.images_fraction({"s1": 5.0}) == pytest.approx(1 / 8)
    assert shares.images_fraction({"s1": 5.0, "s2": 500.0}) == pytest.approx(2 / 8)


def test_a_site_on_probation_has_a_fifth_unless_all_are_new() -> None:
    old, new = fleet(10), Site("new", MINUTE - 3 * DAY_S)
    shares = shares_of([*old, new])
    assert shares.weights == {"new": 0.2}
    assert shares.images_fraction({"new": 50.0}) == pytest.approx(0.02)
    assert shares.factors({"new": 10.0, "s1": 10.0, "s2": 10.0}) == pytest.approx(
        {"new": 0.2, "s1": 1.0, "s2": 1.0}
    )
    flooding = shares.factors({"new": 1000.0, "s1": 10.0})
    assert 1000.0 * flooding["new"] == pytest.approx(2.0)
    assert shares_of(fleet(10, age_days=1)).weights == {}


def test_quarantined_and_silent_sites_are_not_counted_among_the_fleet() -> None:
    sites = fleet(6)
    sites[0] = Site("s0", 0, quarantined=True)
    assert shares_of(sites).largest == 1 / 5
    assert site_shares(sites, ["s1", "s2"], SETTINGS, now_utc=MINUTE).largest == 1.0
