"""One site with its cameras, models, link and account at the hub."""

from nicegui import ui

from dashboards import phrases
from dashboards.components.pills import pill
from dashboards.components.section import Markup, card, facts, heading
from dashboards.components.table import Table
from dashboards.markup import Html, element, join
from dashboards.page_view import PageView
from dashboards.pages.fleet import cameras
from dashboards.pages.fleet.dead_letters import show_dead_letters
from dashboards.pages.fleet.site_changes import buttons_of
from dashboards.pages.fleet.sites import digest, ledger_text, state_of, teacher_text
from dashboards.scope import Scope
from messaging.access_resources import UserRole
from messaging.api.sites import SitePageResource


async def page(view: PageView) -> None:
    """One site."""
    name = view.parameters["site"]
    heading(name, "Site")
    with card("State", name="site"):
        shown, steps = Markup(), Markup()
        with ui.row().classes("actions"):
            show_buttons = buttons_of(view, name)
    with card("Cameras", name="site-cameras"):
        table = Table(cameras.COLUMNS, name="cameras", empty=cameras.EMPTY)
    if view.may(UserRole.OPERATOR):
        show_dead_letters(view, name)

    async def refresh() -> None:
        found, now = await view.get(f"sites/{name}", SitePageResource), view.now()
        shown.show(facts_markup(found, view.scope, now))
        show_buttons(found.site)
        steps.show(steps_markup(found))
        table.show([cameras.row(camera, view.scope) for camera in found.cameras])

    view.live(refresh)


def steps_markup(page: SitePageResource) -> Html:
    """The commands to run next at a site that does not report."""
    if not page.commands:
        return Html("")
    why = (
        "It is revoked; these commands enrol it again"
        if page.site.revoked
        else "It has never reported; run these"
    )
    return join(
        element("h3", f"{why}, the first on the cloud's machine"), element("pre", "\n".join(page.commands))
    )


def facts_markup(page: SitePageResource, scope: Scope, now: float) -> Html:
    """What is known of one site."""
    site, skew = page.site, page.clock_skew_s
    state, tone = state_of(site)
    fallback = element("span", f" {site.fallback}", cls="rest") if site.fallback else None
    return facts(
        {
            "state": join(pill(state, tone), fallback),
            "group": site.site_group or phrases.MISSING,
            "last heartbeat": phrases.ago(site.last_seen_at, now),
            "clock": phrases.MISSING if skew is None else f"{skew:+} s against the cloud's",
            "uptime": phrases.duration(site.uptime_s),
            "memory": phrases.MISSING if site.resident_mb is None else f"{site.resident_mb:.0f} MB",
            "model": digest(site.model_digest, scope),
            "candidate": digest(site.candidate_digest, scope),
            "teacher": teacher_text(site, scope),
            "open failure modes": _number(site.open_failure_modes),
            "unsent messages": phrases.MISSING
            if site.outbox_messages is None
            else f"{site.outbox_messages:,}",
            "shed messages": _number(site.shed),
            "refused messages": _number(page.dead_letters),
            "privacy budget ε spent": (
                phrases.MISSING if site.epsilon_spent is None else f"{site.epsilon_spent:.2g}"
            ),
            "ledger verified": join(ledger_text(site, now), site.ledger_fault or None),
        }
    )


def _number(value: int | None) -> str:
    return phrases.MISSING if value is None else f"{value:,}"
