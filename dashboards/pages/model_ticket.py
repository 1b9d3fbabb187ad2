"""The downgrade ticket of a release: what it permits, signing one, withdrawing it."""

from collections.abc import Callable

from nicegui import ui

from dashboards import phrases
from dashboards.components.dialogs import confirmed
from dashboards.components.empty import Empty
from dashboards.components.section import Markup, card
from dashboards.markup import Html, element
from dashboards.page_view import PageView
from messaging.release_resources import ModelResource, TicketRequest, TicketResource
from messaging.resources import SiteResource

DAYS = {1: "a day", 7: "7 days", 30: "30 days", 90: "90 days"}
SITES_EVERY_S = 60.0
WHAT = (
    "A site refuses every release below the highest version that it has run. A ticket permits a site to go "
    "back to this release once, until it expires."
)


def ticket_section(view: PageView, digest: str) -> Callable[[ModelResource], None]:
    """The card for admins; the function that it returns shows the state of a release."""
    path = f"models/{digest}/ticket"

    async def signed() -> None:
        wanted = TicketRequest(sites=tuple(sites.value), days=days.value)
        if await confirmed("Sign a downgrade ticket?", question(wanted, digest), "Sign the ticket"):
            client = view.viewer.client
            await view.act(lambda: client.send("POST", path, TicketResource, wanted), "The ticket is signed.")

    async def withdrawn() -> None:
        text = "No further site may go back to this release. A site that has used the ticket keeps its model."
        if await confirmed("Withdraw the ticket?", text, "Withdraw the ticket"):
            client = view.viewer.client
            await view.act(lambda: client.send("DELETE", path, TicketResource), "The ticket is withdrawn.")

    with card("Downgrade ticket", name="model-ticket"):
        ui.html(element("p", WHAT, cls="rest"), sanitize=False)
        shown = Markup()
        with ui.row().classes("inputs"):
            sites = ui.select([], label="Sites (none: all)", multiple=True).props("outlined use-chips")
            sites.classes("ticket-sites")
            days = ui.select(DAYS, value=7, label="Valid for").props("outlined")
        with ui.row().classes("actions"):
            sign = ui.button("Sign a ticket", on_click=signed).props("outline no-caps")
            withdraw = ui.button("Withdraw the ticket", on_click=withdrawn)
            withdraw.props("outline no-caps color=negative").set_visibility(False)

    async def read_sites() -> None:
        found = await view.all_items("sites", SiteResource)
        names = [one.site for one in found if not one.revoked]
        if names != sites.options:
            sites.set_options(names, value=sites.value)

    def show(model: ModelResource) -> None:
        shown.show(ticket_markup(model, view.now()))
        sign.set_enabled(model.channel == "service")
        withdraw.set_visibility(model.ticket is not None)

    view.live(read_sites, every_s=SITES_EVERY_S)
    return show


def question(wanted: TicketRequest, digest: str) -> str:
    """What the ticket will permit, in a sentence."""
    who = f"The sites {', '.join(wanted.sites)}" if wanted.sites else "Every site"
    if len(wanted.sites) == 1:
        who = f"Site {wanted.sites[0]}"
    return (
        f"{who} may go back once to model {phrases.short(digest)}, below the version that it has run, for "
        f"{DAYS.get(int(wanted.days), f'{wanted.days:g} days')}. Nothing changes until a rollout orders it."
    )


def ticket_markup(model: ModelResource, now: float) -> Html:
    """The ticket that a release has."""
    if model.channel != "service":
        sentence = "It is for trial only, so that no site may go back to it. This command lists all releases:"
        return Empty(sentence, command="blindspot models list").markup()
    ticket = model.ticket
    if ticket is None:
        sentence = "It has no ticket. The button signs one, as this command does:"
        return Empty(sentence, command=f"blindspot models ticket {model.digest}").markup()
    who = ", ".join(ticket.sites) or "every site"
    left = ticket.expires_at_utc - now
    until = f"for another {phrases.duration(left)}" if left > 0 else "expired"
    return element("p", f"Ticket {ticket.number}: {who}, {until}.", role="status")
