"""`python -m tests.support.figures.lying_site`: the most that one lying site of ten decides of a plan.

It lies within what intake believes, in five ways.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
from tests.support.figures.writing import written

DAY_S = 86_400
SETTINGS = FailureModeSettings()
SITES, FLOOD, IMAGES = 10, 2_000, 100
SNOW = Condition(Light.DAY, Weather.SNOW)


@dataclass(frozen=True)
class Lie:
    """What the last of ten sites reports falsely, and how many other sites report at all."""

    name: str
    rows: tuple[MisdetectionRow, ...]
    honest_sites: int


@dataclass(frozen=True)
class PartOfPlan:
    """Percent of the asked images that come from the rows of the liar, with the rule and without it."""

    limited: float
    unlimited: float


def fleet(number: int, *, age_days: float = 100.0) -> list[Site]:
    """Sites of that age."""
    return [Site(f"s{n}", int(MINUTE - age_days * DAY_S)) for n in range(number)]


def shares_of(sites: Sequence[Site]) -> SiteShares:
    """The shares of sites that all report."""
    return site_shares(sites, [site.site for site in sites], SETTINGS, now_utc=MINUTE)


def modes(rows: Sequence[MisdetectionRow], shares: SiteShares) -> list[FailureMode]:
    """Failure modes of the rows, worst first."""
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


def lie(class_name: str, condition: Condition) -> list[MisdetectionRow]:
    """Boxes that no honest site reports, so that the share of the liar can be measured."""
    row = misdetection_row(
        site="s9", class_name=class_name, condition=condition, size=SizeBin.LARGE, region=RegionBin.TOP_LEFT
    )
    return [row] * FLOOD


_POTHOLES, _FIRES = tuple(lie("pothole", misdetection_row().condition)), tuple(lie("fire", SNOW))
LIES = (
    Lie("invented modes of the worst class", _FIRES, 9),
    Lie("the geometry of what all report", _POTHOLES, 9),
    Lie("the geometry of what two report", _POTHOLES, 2),
    Lie("everything at once", _POTHOLES + _FIRES, 9),
    Lie("the only evidence there is", _FIRES, 0),
)


def part_of_plan(told: Lie) -> PartOfPlan:
    """What the liar decides of a plan of three modes."""
    sites = fleet(SITES)
    rows = [*honest([site.site for site in sites[: told.honest_sites]]), *told.rows]
    chosen = campaign_candidates(modes(rows, shares_of(sites)), DEFAULT_TAXONOMY.names)[:3]
    plan = CampaignPlan(tuple(mode.key.id for mode in chosen), IMAGES)
    without_rule = [mode for mode in modes(rows, SiteShares()) if mode.key.id in plan.modes]
    return PartOfPlan(*(100 * _part(plan, taken, told.rows) for taken in (chosen, without_rule)))


def _part(plan: CampaignPlan, chosen: Sequence[FailureMode], lies: Sequence[MisdetectionRow]) -> float:
    """The fraction of the asked images whose geometry, or whose mode, comes from the rows of the liar."""
    lied = 0.0
    for mode in chosen:
        weights = {(g.size, g.region): g.weight for g in mode.geometry}
        bins = {(row.size, row.region) for row in lies if row.class_name == mode.key.class_name}
        lied += images_of(mode, plan) * sum(weights.get(one, 0.0) for one in bins) / sum(weights.values())
    return lied / (plan.count * len(chosen))


def figures(parts: Sequence[PartOfPlan]) -> list[Figure]:
    """The largest part over all lies; its control is the smallest part without the rule."""
    limited, unlimited = max(one.limited for one in parts), min(one.unlimited for one in parts)
    return [
        Figure("liar_plan_share_percent", limited, "%", "<= 10", n=len(parts)),
        Figure("liar_plan_share_without_the_rule_percent", unlimited, "%", "> 10", n=len(parts)),
    ]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.figures.lying_site", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    return written(parser.parse_args().out, figures([part_of_plan(lie) for lie in LIES]))


if __name__ == "__main__":
    sys.exit(main())
