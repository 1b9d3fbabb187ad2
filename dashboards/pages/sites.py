"""Sites: the list, and one site with its cameras, models, link and account at the hub."""

from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.pills import pill
from dashboards.components.section import Markup, card, facts, heading
from dashboards.components.table import Column, Table, link
from dashboards.markup import Html, element, join
from dashboards.page_view import PageView
from dashboards.pages import cameras
from dashboards.scope import Scope
from messaging.access_resources import UserRole
from messaging.resources import CameraResource, SiteResource

COLUMNS = (
    Column("site", "site", "html"),
    Column("group", "group"),
    Column("state", "state", "html", width=150),
    Column("model", "model", "html", width=130),
    Column("teacher", "teacher", "html", flex=1.4),
    Column("cameras", "cameras", "number", width=110),
    Column("unsent", "unsent messages", "number", width=150),
    Column("seen", "last heartbeat", "html", width=150),
    Column("ledger", "ledger verified", "html", width=190),
)
EMPTY = Empty("No site is enrolled yet. This command enrols one:", command="blindspot sites add NAME")


async def page(view: PageView) -> None:
    """The list of sites."""
    heading("Sites", "Where cameras are, and what runs there.")
    with card("All sites", name="sites-card"):
        table = Table(COLUMNS, name="sites", empty=EMPTY)

    async def refresh() -> None:
        sites = await view.all_items("sites", SiteResource, limit=500)
        shown = [site for site in sites if view.scope.group in ("", site.site_group)]
        table.show([row(site, view.scope, view.now()) for site in shown])

    view.live(refresh)


def row(site: SiteResource, scope: Scope, now: float) -> dict[str, Any]:
    """A row of the table."""
    state, tone = state_of(site)
    return {
        "id": site.site,
        "site": link(site.site, scope.link("sites", site.site)),
        "site_value": site.site,
        "group": site.site_group,
        "state": pill(state, tone),
        "state_value": state,
        "model": digest(site.model_digest),
        "model_value": site.model_digest,
        "teacher": teacher_text(site),
        "teacher_value": site.cannot_close or site.teacher_digest,
        "cameras": site.cameras,
        "unsent": site.outbox_messages,
        "seen": Html(phrases.ago(site.last_seen_at, now)),
        "seen_value": site.last_seen_at,
        "ledger": ledger_text(site, now),
        "ledger_value": site.ledger_verified_n,
    }


def state_of(site: SiteResource) -> tuple[str, str]:
    """The state of a site and its tone."""
    if site.revoked:
        return "revoked", "bad"
    if site.quarantined:
        return "quarantined", "bad"
    return ("online", "good") if site.online else ("offline", "bad")


def digest(value: str | None) -> Html:
    """The beginning of a digest; the whole of it is the tooltip."""
    return element("code", phrases.short(value), title=value)


def teacher_text(site: SiteResource) -> Html:
    """The teacher and its share of frames, or why the site closes no failure mode."""
    if site.cannot_close:
        label = pill("cannot close failure modes", "bad")
        return element("span", label, element("span", f" {site.cannot_close}", cls="rest"))
    seen = f" {phrases.percent(site.teacher_fraction)} of frames" if site.teacher_fraction else ""
    return element("span", digest(site.teacher_digest), element("span", seen, cls="rest"))


def ledger_text(site: SiteResource, now: float) -> Html:
    """Up to which entry and when the cloud verified the site's signed ledger."""
    if site.ledger_fault:
        return pill("contradicts itself", "bad")
    if site.ledger_verified_n is None:
        return Html(phrases.MISSING)
    return element("span", f"to {site.ledger_verified_n:,} {phrases.ago(site.ledger_verified_at, now)}")


async def detail(view: PageView) -> None:
    """One site."""
    name = view.parameters["site"]
    heading(name, "Site")
    with card("State", name="site"):
        shown = Markup()
        with ui.row().classes("actions"):
            _actions(view, name)
    with card("Cameras", name="site-cameras"):
        table = Table(cameras.COLUMNS, name="cameras", empty=cameras.EMPTY)

    async def refresh() -> None:
        site = await view.get(f"sites/{name}", SiteResource)
        shown.show(_facts(site, view.now()))
        found = await view.all_items("cameras", CameraResource, site=name, limit=500)
        table.show([cameras.row(camera, view.scope) for camera in found])

    view.live(refresh)


def _actions(view: PageView, name: str) -> None:
    async def change(verb: str, done: str) -> None:
        path = f"sites/{name}/{verb}"
        await view.act(lambda: view.viewer.client.send("POST", path, SiteResource), done)

    if view.may(UserRole.OPERATOR):
        ui.button(
            "Quarantine", on_click=lambda: change("quarantine", f"Nothing is learnt from {name} any more.")
        ).props("outline no-caps")
        ui.button(
            "Release", on_click=lambda: change("release", f"The evidence of {name} counts again.")
        ).props("outline no-caps")
    if view.may(UserRole.ADMIN):
        ui.button("Revoke", on_click=lambda: change("revoke", f"{name} is refused from now on.")).props(
            "outline no-caps color=negative"
        )


def _facts(site: SiteResource, now: float) -> Html:
    state, tone = state_of(site)
    fallback = element("span", f" {site.fallback}", cls="rest") if site.fallback else None
    return facts(
        {
            "state": join(pill(state, tone), fallback),
            "group": site.site_group or phrases.MISSING,
            "last heartbeat": phrases.ago(site.last_seen_at, now),
            "uptime": phrases.duration(site.uptime_s),
            "memory": phrases.MISSING if site.resident_mb is None else f"{site.resident_mb:.0f} MB",
            "model": digest(site.model_digest),
            "candidate": digest(site.candidate_digest),
            "teacher": teacher_text(site),
            "unsent messages": phrases.MISSING
            if site.outbox_messages is None
            else f"{site.outbox_messages:,}",
            "shed messages": _number(site.shed),
            "privacy budget ε spent": (
                phrases.MISSING if site.epsilon_spent is None else f"{site.epsilon_spent:.2g}"
            ),
            "ledger verified": join(ledger_text(site, now), site.ledger_fault or None),
        }
    )


def _number(value: int | None) -> str:
    return phrases.MISSING if value is None else f"{value:,}"
