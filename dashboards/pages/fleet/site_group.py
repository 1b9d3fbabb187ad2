"""Putting a site into a group of sites, or into none; another name for a group."""

from dataclasses import replace

from nicegui import ui

from dashboards.components.dialogs import asked_for_text
from dashboards.page_view import PageView
from dashboards.pages.fleet.enrolment import name_fault
from messaging.access_resources import GroupName, GroupRequest
from messaging.api.sites import SiteGroupResource, SitePageResource
from messaging.resources import SiteResource
from messaging.runtime.quoting import url_segment

CONSEQUENCE = (
    "Users who are limited to site groups see the sites of theirs alone. A group exists as long as a site is "
    "in it."
)
TOGETHER = "Its sites, and the users who are limited to it, keep the group; the sessions of these users end."


async def group(view: PageView, site: str) -> None:
    """Ask for the group of a site, with those that exist as suggestions, and put the site into it."""

    async def present() -> tuple[str, list[str]]:
        groups = await view.all_items("site-groups", SiteGroupResource)
        page = await view.get(f"sites/{site}", SitePageResource)
        return page.site.site_group, [one.group for one in groups if one.group]

    found = await view.answer(present)
    if found is None:
        return
    now, known = found
    wanted = await asked_for_text(
        f"Group of {site}",
        "Site group, empty for none",
        "Save",
        fault=group_fault,
        sentence=CONSEQUENCE,
        value=now,
        suggestions=known,
    )
    if wanted is None or wanted == now:
        return
    done = f"{site} is in group {wanted}." if wanted else f"{site} is in no group."
    request = GroupRequest(group=wanted or None)
    await view.act(lambda: view.viewer.client.send("PUT", f"sites/{site}/group", SiteResource, request), done)


async def rename(view: PageView, group: str) -> None:
    """Ask for another name of a group, and open the sites of the group by that name."""
    wanted = await asked_for_text(
        f"Rename group {group}",
        "Name of the group",
        "Rename",
        fault=name_fault,
        sentence=TOGETHER,
        value=group,
    )
    if wanted is None or wanted == group:
        return
    path, request = f"site-groups/{url_segment(group)}/rename", GroupName(name=wanted)
    client, done = view.viewer.client, f"Group {group} is {wanted} now."
    if await view.act(lambda: client.send("POST", path, SiteGroupResource, request), done):
        ui.navigate.to(replace(view.scope, group=wanted).link("sites"))


def group_fault(text: str) -> str | None:
    """Why this is no name of a group; None if it is one, or empty for no group."""
    return name_fault(text) if text else None
