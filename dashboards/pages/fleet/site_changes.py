"""What may be done to a site: quarantine, release, revoke, group, enrol again, remove its reports."""

from collections.abc import Callable

from nicegui import ui

from dashboards.components.dialogs import confirmed
from dashboards.page_view import PageView
from dashboards.pages.fleet.enrolment import enrol
from dashboards.pages.fleet.site_group import group
from dashboards.pages.fleet.site_removal import remove
from messaging.access_resources import UserRole
from messaging.resources import SiteResource

CHANGES = {
    "quarantine": (
        "Quarantine",
        "Nothing is learnt from what this site has reported or will report, until it is released. "
        "It keeps detecting, its hazards are still shown, and it still gets models.",
        "Quarantine",
        "Nothing is learnt from {site} any more.",
    ),
    "release": (
        "Release",
        "The evidence of this site counts again, also what it reported while it was in quarantine.",
        "Release",
        "The evidence of {site} counts again.",
    ),
    "revoke": (
        "Revoke",
        "Its connections end at once, its credentials are void, its reports are refused, and rollouts "
        "leave it out. To take it back it must be enrolled again and get new credentials.",
        "Revoke",
        "{site} is refused from now on.",
    ),
}
"""Title, what happens, text of the button, what is said afterwards."""


def may(view: PageView, verb: str) -> bool:
    """Whether the viewer may make a change (a key of `CHANGES`)."""
    if verb == "revoke":
        return view.may(UserRole.ADMIN)
    return view.may(UserRole.OPERATOR, one_site=True)


async def change(view: PageView, site: str, verb: str) -> None:
    """Ask whether a change (a key of `CHANGES`) is wanted, naming what it does, and request it."""
    title, sentence, button, done = CHANGES[verb]
    if await confirmed(f"{title} {site}?", sentence, button, harmful=verb != "release"):
        path = f"sites/{site}/{verb}"
        await view.act(lambda: view.viewer.client.send("POST", path, SiteResource), done.format(site=site))


def offered(view: PageView, site: SiteResource) -> tuple[str, ...]:
    """The keys of `CHANGES` that the state of a site and the viewer's role permit, the mildest first."""
    return tuple(verb for verb in CHANGES if verb in permitted(site) and may(view, verb))


def buttons_of(view: PageView, name: str) -> Callable[[SiteResource], None]:
    """Buttons for what may be done to the site; the function shows those that its state permits."""

    async def again() -> None:
        await enrol(view, name)

    buttons = {}
    for verb in CHANGES:
        if may(view, verb):
            colour = " color=negative" if verb == "revoke" else ""
            button = ui.button(CHANGES[verb][2], on_click=lambda verb=verb: change(view, name, verb))
            buttons[verb] = button.props(f"outline no-caps{colour}")
    if view.may(UserRole.ADMIN):
        buttons["group"] = ui.button("Site group", on_click=lambda: group(view, name)).props(
            "outline no-caps"
        )
        buttons["enrol"] = ui.button("Enrol again", on_click=again).props("outline no-caps")
        gone = ui.button("Remove its reports", on_click=lambda: remove(view, name))
        buttons["remove"] = gone.props("outline no-caps color=negative")
    for button in buttons.values():
        button.set_visibility(False)  # until the state of the site is known

    def show(site: SiteResource) -> None:
        for verb, button in buttons.items():
            button.set_visibility(verb in permitted(site))

    return show


def permitted(site: SiteResource) -> frozenset[str]:
    """What the state of a site permits: keys of `CHANGES`, `group`, `enrol`, and `remove`."""
    if site.revoked:
        return frozenset({"group", "enrol", "remove"})
    return frozenset({"group", "revoke", "release" if site.quarantined else "quarantine"})
