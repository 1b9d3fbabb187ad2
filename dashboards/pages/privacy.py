"""The data that left the sites: messages and bytes by message kind and site, as the cloud received them."""

from collections import defaultdict
from collections.abc import Sequence

from dashboards import phrases
from dashboards.components.section import Markup, card, heading
from dashboards.markup import Html, element, join, number, row, table
from dashboards.page_view import PageView
from messaging.resources import LedgerResource, SiteResource

EMPTY = "No message has been received yet. Every message that a site sends is counted here."


async def page(view: PageView) -> None:
    """What left the sites."""
    heading("Privacy ledger", "What left the sites, as the cloud received it. Images are never sent.")
    with card("Data by message kind", name="privacy"):
        shown = Markup()

    async def refresh() -> None:
        totals = await view.all_items("ledger", LedgerResource, limit=500)
        sites = await view.all_items("sites", SiteResource, limit=500)
        shown.show(markup(totals, sites))

    view.live(refresh)


def markup(ledger: Sequence[LedgerResource], all_sites: Sequence[SiteResource]) -> Html:
    """One table, message kinds by sites, with totals."""
    if not ledger:
        return element("p", EMPTY, cls="empty")
    by_kind: dict[str, dict[str, LedgerResource]] = defaultdict(dict)
    for total in ledger:
        by_kind[total.kind][total.site] = total
    sites = tuple(sorted({total.site for total in ledger}))
    rows = [_kind(kind, by_site, sites) for kind, by_site in sorted(by_kind.items(), key=_bytes_first)]
    headers = ("message kind", *(f"#{site}" for site in sites), "#messages", "#bytes")
    return join(table(headers, [*rows, _sum(ledger, sites)]), _spent(all_sites))


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


def _sum(ledger: Sequence[LedgerResource], sites: tuple[str, ...]) -> Html:
    sizes = (sum(total.length_bytes for total in ledger if total.site == site) for site in sites)
    return row(
        "total",
        *(number(phrases.size(size)) for size in sizes),
        number(f"{sum(total.count for total in ledger):,}"),
        number(phrases.size(sum(total.length_bytes for total in ledger))),
        cls="sum",
        name="kind-all",
    )


def _spent(sites: Sequence[SiteResource]) -> Html | None:
    """The privacy budget (ε) that each site has spent on prototypes."""
    spent = [f"{s.site} {s.epsilon_spent:.2g}" for s in sites if s.epsilon_spent is not None]
    return element("p", f"privacy budget ε spent: {', '.join(spent)}", cls="rest") if spent else None
