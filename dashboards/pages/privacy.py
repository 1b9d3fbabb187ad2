"""What left the sites: bytes and counts by message kind and site, as the cloud received them."""

from collections import defaultdict

from dashboards import phrases
from dashboards.markup import Html, el, number, row, table
from dashboards.pages.sections import card, empty
from dashboards.snapshot import Snapshot
from messaging.resources import LedgerResource


def section(seen: Snapshot) -> Html:
    """One table, kinds by sites, with the sum."""
    if not seen.ledger:
        sentence = "Nothing has left any site. Every message that a gate lets through is counted here."
        return card("Privacy: what left the sites", empty(sentence), name="privacy")
    by_kind: dict[str, dict[str, LedgerResource]] = defaultdict(dict)
    for total in seen.ledger:
        by_kind[total.kind][total.site] = total
    sites = tuple(sorted({total.site for total in seen.ledger}))
    rows = [_kind(kind, by_site, sites) for kind, by_site in sorted(by_kind.items(), key=_bytes_first)]
    heads = ("message", *(f"#{site}" for site in sites), "#reports", "#bytes")
    return card(
        "Privacy: what left the sites",
        table(heads, [*rows, _sum(seen.ledger, sites)]),
        _spent(seen),
        name="privacy",
    )


def _bytes_first(pair: tuple[str, dict[str, LedgerResource]]) -> tuple[int, str]:
    return -sum(total.length_bytes for total in pair[1].values()), pair[0]


def _kind(kind: str, by_site: dict[str, LedgerResource], sites: tuple[str, ...]) -> Html:
    shares = (
        phrases.size(by_site[site].length_bytes) if site in by_site else phrases.MISSING for site in sites
    )
    return row(
        phrases.words(kind),
        *(number(share) for share in shares),
        number(f"{sum(total.count for total in by_site.values()):,}"),
        number(phrases.size(sum(total.length_bytes for total in by_site.values()))),
        name=f"kind-{kind}",
    )


def _sum(ledger: tuple[LedgerResource, ...], sites: tuple[str, ...]) -> Html:
    shares = (sum(total.length_bytes for total in ledger if total.site == site) for site in sites)
    return row(
        "together",
        *(number(phrases.size(share)) for share in shares),
        number(f"{sum(total.count for total in ledger):,}"),
        number(phrases.size(sum(total.length_bytes for total in ledger))),
        cls="sum",
        name="kind-all",
    )


def _spent(seen: Snapshot) -> Html | None:
    """The privacy budget that prototypes have cost, by site."""
    spent = [f"{s.site} ε {s.epsilon_spent:.2g}" for s in seen.sites if s.epsilon_spent is not None]
    return el("p", f"privacy budget spent on prototypes: {', '.join(spent)}", cls="rest") if spent else None
