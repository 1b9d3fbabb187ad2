"""How much one site decides: of a generation plan at most max(10 %, 1/n) of the images of a failure mode.

What a site reports can be false in ways that no check finds. In a fleet of `MIN_SITES` sites or more, the
evidence of a mode is therefore limited twice. No site has more weight than the (lower) median site of that
mode; and images are generated in proportion to how many sites of the largest weight the evidence amounts to,
so that the part of one site is never larger than its share of what was asked. Sites on probation weigh less.
With fewer sites none can outvote another, and all evidence counts as it is. Estimated recall has the first of
these limits, of tracks instead of evidence. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloud.settings import FailureModeSettings
from cloud.store.report_records import Site

MIN_SITES = 5
_DAY_S = 86_400
_DECIMALS = 6  # equal evidence of all sites is all of it, whatever the sum's rounding


@dataclass(frozen=True)
class SiteShares:
    """The largest share of one site (1: no limit), and the weights of sites on probation; others weigh 1."""

    largest: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)

    def factors(self, evidence: Mapping[str, float]) -> dict[str, float]:
        """By what the evidence of each site is multiplied; `evidence` is the sum of its probabilities."""
        if self.largest >= 1.0 or not evidence:
            return dict.fromkeys(evidence, 1.0)
        median = sorted(evidence.values())[(len(evidence) - 1) // 2]
        return {
            site: self._weight(site) * (median / amount if amount > median else 1.0)
            for site, amount in evidence.items()
        }

    def _weight(self, site: str) -> float:
        return self.weights.get(site, 1.0)

    def images_fraction(self, evidence: Mapping[str, float]) -> float:
        """The fraction of the images asked for a mode that its limited evidence allows."""
        if self.largest >= 1.0 or not evidence:
            return 1.0
        factors = self.factors(evidence)
        amounts = [amount * factors[site] for site, amount in evidence.items()]
        whole = max(self._weight(site) for site in evidence)
        sites_of_largest = sum(amounts) / max(amounts) if max(amounts) > 0 else 0.0
        return min(1.0, round(self.largest * whole * sites_of_largest, _DECIMALS))


NO_LIMIT = SiteShares()
"""Every site counts as it is."""


def site_shares(
    sites: Iterable[Site], reporting: Iterable[str], settings: FailureModeSettings, *, now_utc: float
) -> SiteShares:
    """The shares among the sites that report and are not quarantined."""
    named = set(reporting)
    counted = [site for site in sites if site.site in named and not site.quarantined]
    if len(counted) < MIN_SITES:
        return NO_LIMIT
    since = now_utc - settings.probation_days * _DAY_S
    new = [site.site for site in counted if site.added_at > since]
    weights = dict.fromkeys(new, settings.probation_weight) if len(new) < len(counted) else {}
    return SiteShares(max(settings.largest_share, 1 / len(counted)), weights)
