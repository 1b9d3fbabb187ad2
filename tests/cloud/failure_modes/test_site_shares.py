"""A site that lies decides at most its share of a plan; small and new fleets work without limits."""

from collections import Counter
from collections.abc import Sequence

import pytest

from cloud.campaigns.planning import images_of
from cloud.failure_modes.register import campaign_candidates
from cloud.failure_modes.rules import FailureMode, find_failure_modes
from cloud.failure_modes.site_shares import SiteShares, site_shares
from cloud.settings import FailureModeSettings
from cloud.store.records import CampaignPlan
from cloud.store.report_records import MisdetectionRow, Site
from messaging.figures import Figure
from messaging.taxonomy import DEFAULT_TAXONOMY, Condition, Light, RegionBin, SizeBin, Weather
from tests.support.cloud.mode_rows import misdetection_row
from tests.support.cloud.sample_reports import MINUTE

DAY_S = 86_400
SETTINGS = FailureModeSettings()
FLOOD = 2_000
SNOW = Condition(Light.DAY, Weather.SNOW)


def fleet(number: int, *, age_days: float = 100.0) -> list[Site]:
    return [Site(f"s{n}", int(MINUTE - age_days * DAY_S)) for n in range(number)]


def shares_of(sites: Sequence[Site]) -> SiteShares:
    return site_shares(sites, [site.site for site in sites], SETTINGS, now_utc=MINUTE)


def modes(rows: Sequence[MisdetectionRow], shares: SiteShares) -> list[FailureMode]:
    return find_failure_modes(
        rows, {}, taxonomy=DEFAULT_TAXONOMY, in_service=frozenset(), states={}, shares=shares
    )


def honest(sites: Sequence[str]) -> list[MisdetectionRow]:
    """Each site misses potholes and smoke, the first ones more than others."""
    return [
        misdetection_row(site=site, class_name=name)
        for place, site in enumerate(sites, start=1)
        for name in ("pothole", "smoke")
        for _ in range(40 // place)
    ]


def part_of_liar(plan: CampaignPlan, chosen: Sequence[FailureMode], lies: Sequence[MisdetectionRow]) -> float:
    """The fraction of the asked images whose geometry, or whose mode, comes from the rows of the liar."""
    lied = 0.0
    for mode in chosen:
        weights = {(g.size, g.region): g.weight for g in mode.geometry}
        bins = {(row.size, row.region) for row in lies if row.class_name == mode.key.class_name}
        lied += images_of(mode, plan) * sum(weights.get(one, 0.0) for one in bins) / sum(weights.values())
    return lied / (plan.count * len(chosen))


def lie(class_name: str, condition: Condition) -> list[MisdetectionRow]:
    """Boxes that no honest site reports, so that the share of the liar can be measured."""
    row = misdetection_row(
        site="s9", class_name=class_name, condition=condition, size=SizeBin.LARGE, region=RegionBin.TOP_LEFT
    )
    return [row] * FLOOD


@pytest.mark.parametrize(
    ("attack", "lies", "honest_sites"),
    [
        ("invented modes of the worst class", lie("fire", SNOW), 9),
        ("the geometry of what all report", lie("pothole", misdetection_row().condition), 9),
        ("the geometry of what two report", lie("pothole", misdetection_row().condition), 2),
        ("everything at once", lie("pothole", misdetection_row().condition) + lie("fire", SNOW), 9),
        ("the only evidence there is", lie("fire", SNOW), 0),
    ],
)
def test_one_liar_of_ten_sites_decides_at_most_a_tenth_of_a_plan(
    attack: str, lies: list[MisdetectionRow], honest_sites: int
) -> None:
    sites = fleet(10)
    rows = honest([site.site for site in sites[:honest_sites]]) + lies
    chosen = campaign_candidates(modes(rows, shares_of(sites)), DEFAULT_TAXONOMY.names)[:3]
    plan = CampaignPlan(tuple(mode.key.id for mode in chosen), 100)
    share = Figure("liar_plan_share_percent", 100 * part_of_liar(plan, chosen, lies), "%", "<= 10")
    assert share.holds, f"{attack}: {share.value_text}"
    unlimited = modes(rows, SiteShares())
    assert 100 * part_of_liar(plan, [m for m in unlimited if m.key.id in plan.modes], lies) > 10, attack


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
