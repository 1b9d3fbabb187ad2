"""Privacy ledger: what left the sites, the privacy budget of each, and whether its signed ledger holds.

Rows are a site and a message kind, since a fleet has more sites than a table can have columns.
"""

import csv
import io
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.charts import Chart, axes, legend, palette, series_colour
from dashboards.components.empty import Empty
from dashboards.components.long_table import LongTable
from dashboards.components.pills import pill
from dashboards.components.section import Markup, card, heading
from dashboards.components.table import Column, Table, action, link
from dashboards.components.theme_switch import present_theme
from dashboards.markup import Html, element, join, number, table
from dashboards.markup import row as table_row
from dashboards.page_view import PageView
from dashboards.pages.fleet.sites import ledger_text
from dashboards.scope import Scope
from dashboards.theme import Palette
from messaging.api.sites import NOT_REPORTED, CameraResource, LedgerDayResource
from messaging.resources import LedgerResource, SiteResource, VerifiedLedgerResource

KIND_COLUMNS = (
    Column("site", "site", "html", width=100),
    Column("kind", "message kind", width=120),
    Column("messages", "messages", "number", width=90),
    Column("size", "kB", "number", width=80),
)
BESIDE = "subjects, headers, reads and pings that the gate wrote, as its ledger states; before TLS"
LEDGER_COLUMNS = (
    Column("site", "site", "html", width=100),
    Column("epsilon", "ε spent", "number", width=80, tooltip="privacy budget spent on prototypes"),
    Column("beside", "beside payloads (kB)", "number", width=120, tooltip=BESIDE),
    Column("last", "last verified checkpoint", "html", width=130),
    Column("result", "verified now", "html", width=220),
    Column("verify", "", "html", width=120),
)
CAMERA_COLUMNS = (
    Column("camera", "camera", "html", width=140),
    Column("left", "ε left", width=150, tooltip="by the account at its site, in its last heartbeat"),
    Column("budget", "ε budget", width=110, tooltip="in days in which its node runs; set at its site"),
    Column("epsilon", "ε spent", "number", width=80, tooltip="as its last prototype stated it"),
    Column("at", "stated", "html", width=90),
)
ENROL = "blindspot sites add NAME --out NAME --camera CAMERA=ADDRESS"
NO_CAMERA = Empty(
    "No camera has reported yet. Each camera has a privacy budget of its own. "
    "This command enrols a site with a camera:",
    command=ENROL,
)
CAMERAS_SHOWN = 500
NO_SITE = Empty("No site is enrolled yet. This command enrols one:", command=ENROL)
NOTHING = Empty(
    "No message has been received yet. Every message that a site sends is counted here; "
    "this command shows which sites are online:",
    command="blindspot sites list",
)
DAYS, DAY_S, DAYS_EVERY_S = 14, 86_400, 30.0
NOTHING_IN_DAYS = Empty(
    f"No message has been received in the last {DAYS} days. This command shows which sites are online:",
    command="blindspot sites list",
)
Checks = Mapping[str, tuple[VerifiedLedgerResource, float]]
"""By site: what the cloud found, and when it was asked (seconds since 1970)."""


async def page(view: PageView) -> None:
    """What left the sites, and what proves it."""
    heading("Privacy ledger", "What left the sites, as the cloud received it. Images are never sent.")
    with card("Data by message kind", name="privacy-kinds"):
        kinds = Markup()
    with card("Data by day", name="privacy-days", aside=f"kB of each of the last {DAYS} days, in UTC"):
        export = ui.button("Download as CSV", icon="download", on_click=lambda: _download(view))
        export.props("flat no-caps")
        chart = Chart(
            name="days-chart",
            description="kilobytes received on each day, by message kind",
            empty=NOTHING_IN_DAYS,
        )
    with card("Signed ledgers and privacy budget", name="privacy-sites"):
        sites = Table(LEDGER_COLUMNS, name="ledgers", empty=NO_SITE)
    with card("Privacy budget by camera", name="privacy-cameras"):
        cameras = LongTable(CAMERA_COLUMNS, name="camera-budgets", empty=NO_CAMERA, step=CAMERAS_SHOWN)
    with card("Data by site and message kind", name="privacy"):
        rows = Table(KIND_COLUMNS, name="ledger", empty=NOTHING)
    checks: dict[str, tuple[VerifiedLedgerResource, float]] = {}
    theme = present_theme()

    async def verify(site: str) -> None:
        async def change() -> None:
            path = f"sites/{site}/ledger"
            checks[site] = await view.viewer.client.get(path, VerifiedLedgerResource), view.now()

        if await view.act(change, f"All that {site} has signed was verified again."):
            await refresh()

    async def refresh() -> None:
        now, group = view.now(), view.scope.group or None
        known = await view.all_items("sites", SiteResource, group=group)
        names = {site.site for site in known}
        totals = [t for t in await view.all_items("ledger", LedgerResource) if t.site in names]
        kinds.show(kinds_markup(totals, known))
        sites.show([site_row(site, checks, view.scope, now) for site in known])
        rows.show([kind_row(total, view.scope) for total in totals])

    async def refresh_days() -> None:
        since = _first_day(view)
        days = await _days(view, since)
        export.set_visibility(bool(days))
        if days:
            chart.show(days_options(days, since, palette(theme)))
        else:
            chart.show_empty()

    async def refresh_cameras() -> None:
        group = view.scope.group or None
        found = await view.first_items("cameras", CameraResource, cameras.most, group=group)
        rows = [camera_row(one, view.scope, view.now()) for one in found.items]
        cameras.show_first(rows, more=found.next is not None)

    sites.on_action("verify", verify)
    cameras.on_more(view.live(refresh_cameras, every_s=DAYS_EVERY_S))
    view.live(refresh)
    view.live(refresh_days, every_s=DAYS_EVERY_S)


def _first_day(view: PageView) -> int:
    return int(view.now()) // DAY_S * DAY_S - (DAYS - 1) * DAY_S


async def _days(view: PageView, since: int) -> Sequence[LedgerDayResource]:
    """The days from `since` on, of the sites of the chosen group."""
    known = await view.all_items("sites", SiteResource, group=view.scope.group or None)
    names = {site.site for site in known}
    found = await view.all_items("ledger/days", LedgerDayResource, since=since)
    return [day for day in found if day.site in names]


async def _download(view: PageView) -> None:
    async def send() -> None:
        days = await _days(view, _first_day(view))
        ui.download.content(days_csv(days), "ledger-days.csv", "text/csv")

    await view.act(send, "The days of the ledger are being downloaded.")


def days_csv(days: Sequence[LedgerDayResource]) -> str:
    """A line for each day, site and message kind; days are dates in UTC."""
    lines = [
        (time.strftime("%Y-%m-%d", time.gmtime(day.at)), day.site, day.kind, day.count, day.length_bytes)
        for day in sorted(days, key=lambda one: (one.at, one.site, one.kind))
    ]
    text = io.StringIO()
    csv.writer(text).writerows([("day", "site", "kind", "messages", "bytes"), *lines])
    return text.getvalue()


def days_options(days: Sequence[LedgerDayResource], since: int, colours: Palette) -> dict[str, Any]:
    """Stacked bars: the kilobytes of each day from `since` on, by message kind."""
    first = range(since, since + DAYS * DAY_S, DAY_S)
    kinds = sorted({day.kind for day in days})
    sums: Counter[tuple[str, int]] = Counter()
    for day in days:
        sums[day.kind, day.at] += day.length_bytes
    options = axes(colours)
    return {
        **options,
        "legend": legend(colours, bottom=0, itemGap=28),
        "grid": {**options["grid"], "bottom": 56},
        "series": [
            {
                "name": phrases.readable(kind),
                "type": "bar",
                "stack": "all",
                "itemStyle": {"color": series_colour(place, colours)},
                "data": [[1000 * at, round(sums[kind, at] / 1e3, 3)] for at in first],
            }
            for place, kind in enumerate(kinds)
        ],
    }


def kinds_markup(ledger: Sequence[LedgerResource], sites: Sequence[SiteResource] = ()) -> Html:
    """Messages and bytes of each kind, the largest first, their sum, and what the sites sent beside them."""
    if not ledger:
        return NOTHING.markup()
    sums: dict[str, tuple[int, int]] = {}
    for total in ledger:
        count, length = sums.get(total.kind, (0, 0))
        sums[total.kind] = count + total.count, length + total.length_bytes
    ranked = sorted(sums.items(), key=lambda pair: (-pair[1][1], pair[0]))
    lines = [_line(phrases.readable(kind), *both, name=f"kind-{kind}") for kind, both in ranked]
    whole = sum(total.count for total in ledger), sum(total.length_bytes for total in ledger)
    lines.append(_line("total", *whole, name="kind-all", cls="sum"))
    stated = [site.transport_bytes for site in sites if site.transport_bytes is not None]
    if sites:
        beside = number(phrases.size(sum(stated)) if stated else NOT_REPORTED)
        of = f"beside payloads, of {len(stated)} of {len(sites)} sites"
        lines.append(table_row(of, number(""), beside, name="kind-beside"))
    return table(("message kind", "#messages", "#bytes"), lines)


def _line(text: str, count: int, length_bytes: int, *, name: str, cls: str = "") -> Html:
    return table_row(text, number(f"{count:,}"), number(phrases.size(length_bytes)), name=name, cls=cls)


def kind_row(total: LedgerResource, scope: Scope) -> dict[str, Any]:
    """A row of the table by site and kind."""
    return {
        "id": f"{total.site}/{total.kind}",
        "site": link(total.site, scope.link("sites", total.site)),
        "site_value": total.site,
        "kind": phrases.readable(total.kind),
        "messages": total.count,
        "size": round(total.length_bytes / 1e3, 1),
    }


def site_row(site: SiteResource, checks: Checks, scope: Scope, now: float) -> dict[str, Any]:
    """A row of the table of ledgers."""
    return {
        "id": site.site,
        "site": link(site.site, scope.link("sites", site.site)),
        "site_value": site.site,
        "epsilon": None if site.epsilon_spent is None else round(site.epsilon_spent, 3),
        "beside": None if site.transport_bytes is None else round(site.transport_bytes / 1e3, 1),
        "last": ledger_text(site, now),
        "last_value": site.ledger_verified_at,
        "result": result_markup(checks.get(site.site), now),
        "verify": action("Verify now", f"Verify the ledger of {site.site} now"),
    }


def camera_row(camera: CameraResource, scope: Scope, now: float) -> dict[str, Any]:
    """A row of the table of cameras."""
    name = f"{camera.site} / {camera.camera}"
    return {
        "id": f"{camera.site}/{camera.camera}",
        "camera": link(name, scope.link("sites", camera.site)),
        "camera_value": name,
        "epsilon": None if camera.epsilon_spent is None else round(camera.epsilon_spent, 3),
        "left": camera.left_text,
        "budget": camera.budget_text,
        "at": Html(phrases.ago(camera.epsilon_spent_at, now)),
        "at_value": camera.epsilon_spent_at,
    }


def result_markup(check: tuple[VerifiedLedgerResource, float] | None, now: float) -> Html:
    """What the verification that this page asked for has found."""
    if check is None:
        return Html("")
    found, at = check
    when = element("span", f" verified {phrases.ago(at, now)}", cls="rest")
    if found.fault:
        return join(pill("contradicts itself", "bad"), f" {found.fault}", when)
    if found.n is None:
        return join(pill("nothing signed yet", "plain"), when)
    signed = phrases.ago(found.at_utc, now)
    return join(pill("holds", "good"), f" to entry {found.n:,}, signed {signed}", when)
