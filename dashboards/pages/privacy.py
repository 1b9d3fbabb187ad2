"""The data that left the sites: messages and bytes by message kind and site, as the cloud received them."""

from collections import defaultdict

from dashboards import phrases
from dashboards.markup import Html, element, number, row, table
from dashboards.pages.sections import card, empty
from dashboards.snapshot import Snapshot
from messaging.resources import LedgerResource

TITLE = "Privacy: data that left the sites"
ASIDE = "as received by the cloud"


def section(snapshot: Snapshot) -> Html:
    """One table, message kinds by sites, with totals."""
    if not snapshot.ledger:
        sentence = "No message has been received yet. Every message that a site sends is counted here."
        return card(
            TITLE,
            empty(sentence),
            aside=ASIDE,
            name="privacy",
        )
    by_kind: dict[str, dict[str, LedgerResource]] = defaultdict(dict)
    for total in snapshot.ledger:
        by_kind[total.kind][total.site] = total
    sites = tuple(sorted({total.site for total in snapshot.ledger}))
    rows = [_kind(kind, by_site, sites) for kind, by_site in sorted(by_kind.items(), key=_bytes_first)]
    headers = ("message kind", *(f"#{site}" for site in sites), "#messages", "#bytes")
    return card(
        TITLE,
        table(headers, [*rows, _sum(snapshot.ledger, sites)]),
        _spent(snapshot),
        aside=ASIDE,
        name="privacy",
    )


def _bytes_first(pair: tuple[str, dict[str, LedgerResource]]) -> tuple[int, str]:
    return -sum(total.length_bytes for total in pair[1].values()), pair[0]


def _kind(kind: str, by_site: dict[str, LedgerResource], sites: tuple[str, ...]) -> Html:
    sizes = (
        phrases.size(by_site[site].length_bytes) if site in by_site else phrases.MISSING for site in sites
    )
    return row(
        phrases.readable(kind),
        *(number(size) for size in sizes),
        number(f"{sum(total.count for total in by_site.values()):,}"),
        number(phrases.size(sum(total.length_bytes for total in by_site.values()))),
        name=f"kind-{kind}",
    )


def _sum(ledger: tuple[LedgerResource, ...], sites: tuple[str, ...]) -> Html:
    sizes = (sum(total.length_bytes for total in ledger if total.site == site) for site in sites)
    return row(
        "total",
        *(number(phrases.size(size)) for size in sizes),
        number(f"{sum(total.count for total in ledger):,}"),
        number(phrases.size(sum(total.length_bytes for total in ledger))),
        cls="sum",
        name="kind-all",
    )


def _spent(snapshot: Snapshot) -> Html | None:
    """The privacy budget (ε) that each site has spent on prototypes."""
    spent = [f"{s.site} {s.epsilon_spent:.2g}" for s in snapshot.sites if s.epsilon_spent is not None]
    return element("p", f"privacy budget ε spent: {', '.join(spent)}", cls="rest") if spent else None
