"""The site groups that a user is limited to: chosen from those that exist, or typed."""

import re
from collections.abc import Sequence
from typing import Any

from nicegui import ui

from dashboards.components.section import Markup
from dashboards.markup import Html, element
from dashboards.page_view import PageView
from messaging.api.sites import SiteGroupResource
from messaging.fields import SLUG_PATTERN, SLUG_WORDS

ALL_GROUPS = "Site groups, with commas; empty for all sites"
CHOOSE = "Add a site group"


async def known_groups(view: PageView) -> list[str] | None:
    """The groups that exist; None if they cannot be read, which is said in a sentence."""
    found = await view.answer(lambda: view.all_items("site-groups", SiteGroupResource))
    return None if found is None else [one.group for one in found]


def group_field(known: Sequence[str], present: Sequence[str] = ()) -> ui.input:
    """A field with the groups, and a list of those that exist, which adds one to it."""

    def warn() -> None:
        sentence = without_site(groups_of(field.value or ""), known)
        warning.show(Html("") if sentence is None else element("p", sentence, cls="rest", role="status"))

    def add(event: Any) -> None:
        if event.value:
            field.value = ", ".join(dict.fromkeys((*groups_of(field.value or ""), event.value)))
            choice.value = None

    field = ui.input(ALL_GROUPS, value=", ".join(present), validation=groups_fault, on_change=warn)
    field.props("outlined dense")
    warning = Markup()
    choice = ui.select(list(known), label=CHOOSE, on_change=add).props("outlined dense options-dense")
    choice.set_visibility(bool(known))
    warn()
    return field


def without_site(groups: Sequence[str], known: Sequence[str]) -> str | None:
    """A warning about groups that no site is in; None if all of them exist."""
    missing = [group[:40] for group in groups if group not in known]
    if not missing:
        return None
    return f"No site is in {', '.join(missing)}: the user sees none of it until one is."


def groups_of(text: str) -> tuple[str, ...]:
    """The site groups in a text with commas."""
    return tuple(dict.fromkeys(part for part in (one.strip() for one in text.split(",")) if part))


def groups_fault(text: str) -> str | None:
    """Why this is no list of site groups; None if it is one."""
    wrong = [one for one in groups_of(text) if not re.fullmatch(SLUG_PATTERN, one)]
    return f"{wrong[0][:40]!r} is no site group: use {SLUG_WORDS}" if wrong else None
