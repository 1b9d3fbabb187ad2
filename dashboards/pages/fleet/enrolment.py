"""Enrolling a site from its page: the name, then the commands that make its folder and start its programs.

The credentials themselves are made by the command on the cloud's machine and never reach a browser.
"""

import re

from dashboards.components.dialogs import asked_for_text, shown_to_copy
from dashboards.page_view import PageView
from messaging.api.sites import SitePageResource
from messaging.fields import SLUG_PATTERN, SLUG_WORDS
from messaging.resources import SiteResource

NEXT = (
    "The first command runs on the cloud's machine and makes the site's folder with its credentials, which "
    "last 90 days and are renewed by themselves. Copy the folder to the site's machine in a way that shows "
    "it to nobody (scp -rp). The other three are the site's programs, each in a terminal of its own."
)


async def enrol(view: PageView, name: str = "") -> None:
    """Ask for a name (unless given), enrol the site and show what to do next."""
    wanted = name or await asked_for_text("Enrol a site", "Name of the site", "Enrol", fault=name_fault)
    if not wanted:
        return
    found: list[SitePageResource] = []

    async def change() -> None:
        await view.viewer.client.send("PUT", f"sites/{wanted}", SiteResource)
        found.append(await view.viewer.client.get(f"sites/{wanted}", SitePageResource))

    if await view.act(change, f"{wanted} is enrolled."):
        await show_commands(found[0])


async def show_commands(page: SitePageResource) -> None:
    """Show the commands that make a site's folder and start its programs."""
    await shown_to_copy(f"Start {page.site.site}", NEXT, "\n".join(page.commands))


def name_fault(name: str) -> str | None:
    """Why this is no name of a site; None if it is one."""
    return None if re.fullmatch(SLUG_PATTERN, name) else f"use {SLUG_WORDS}"
