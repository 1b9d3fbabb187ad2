"""Which sites run a release first: those whose cameras cover most conditions, in turn; pure.

A canary that never sees fog decides nothing about fog, and one that is always the same site decides alone.
"""

from collections.abc import Mapping, Sequence, Set

from messaging.taxonomy import Condition

NEARLY = 0.5


def canaries_first(
    sites: Sequence[str],
    count: int,
    *,
    covered: Mapping[str, Set[Condition]],
    wanted: Set[Condition] = frozenset(),
    turns: Mapping[str, int] | None = None,
) -> list[str]:
    """The sites in their order, `count` canaries moved to the front.

    One after the other is chosen that covers the most conditions which no earlier one covers. Of those that
    cover at least `NEARLY` as many, it is the one whose last turn is the longest ago.

    Args:
        sites: names of the sites that take part.
        count: how many canaries there are.
        covered: the conditions that each site's cameras have lately.
        wanted: the conditions that matter; if none is given or covered, all that are covered.
        turns: when each site was last a canary, any number that grows; a site that never was has none.
    """
    turns = turns or {}
    everywhere = frozenset[Condition]().union(*(covered.get(site, frozenset()) for site in sites))
    missing = (everywhere & wanted) or everywhere
    chosen: list[str] = []
    while len(chosen) < min(count, len(sites)):
        left = [site for site in sites if site not in chosen]
        gains = {site: len(missing & covered.get(site, frozenset())) for site in left}
        good = [site for site in left if gains[site] >= NEARLY * max(gains.values())]
        best = min(good, key=lambda site: (turns.get(site, -1), -gains[site]))
        chosen.append(best)
        missing -= covered.get(best, frozenset())
    return chosen + [site for site in sites if site not in chosen]
