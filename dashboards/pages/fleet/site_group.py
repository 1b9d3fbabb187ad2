"""Putting a site into a group of sites, or into none."""

import re

from nicegui import ui

from dashboards.markup import element
from dashboards.page_view import PageView
from messaging.access_resources import GroupRequest
from messaging.api.sites import SiteGroupResource, SitePageResource
from messaging.fields import SLUG_PATTERN, SLUG_WORDS
from messaging.resources import SiteResource

CONSEQUENCE = (
    "Users who are limited to site groups see the sites of theirs alone. A group exists as long as a site is "
    "in it."
)


async def group(view: PageView, site: str) -> None:
    """Ask for the group of a site, with those that exist as suggestions, and put the site into it."""
    known = await view.all_items("site-groups", SiteGroupResource)
    now = (await view.get(f"sites/{site}", SitePageResource)).site.site_group
    wanted = await _asked(site, now, [one.group for one in known if one.group])
    if wanted is None or wanted == now:
        return
    done = f"{site} is in group {wanted}." if wanted else f"{site} is in no group."
    request = GroupRequest(group=wanted or None)
    await view.act(lambda: view.viewer.client.send("PUT", f"sites/{site}/group", SiteResource, request), done)


def group_fault(text: str) -> str | None:
    """Why this is no name of a group; None if it is one, or empty for no group."""
    return None if not text or re.fullmatch(SLUG_PATTERN, text) else f"use {SLUG_WORDS}"


async def _asked(site: str, now: str, known: list[str]) -> str | None:
    """The name that was typed, empty for no group; None if nothing is to change."""
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        dialog.props(f'aria-label="Group of {site}"')
        ui.html(element("h2", f"Group of {site}"), sanitize=False)
        ui.html(element("p", CONSEQUENCE), sanitize=False)
        field = ui.input("Site group, empty for none", value=now, autocomplete=known, validation=group_fault)
        field.props("autofocus outlined dense")

        def submit() -> None:
            if field.validate():
                dialog.submit(field.value or "")

        field.on("keydown.enter", submit)
        with ui.row().classes("choices"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button("Save", on_click=submit).props("unelevated no-caps")
    answer = await dialog
    dialog.delete()
    return None if answer is None else str(answer)
