"""Hostile input in a real browser: scripts, right-to-left text, long text, unknown objects, wrong clocks."""

import re
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import delete
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.store.records import (
    Campaign,
    EvaluationRow,
    Release,
    Rollout,
    RolloutEvent,
    StageRecord,
    SyntheticImage,
)
from dashboards.page_list import PAGES
from dashboards.pages.settings.tabs import TABS
from messaging.access_resources import NewUser, UserRole
from tests.browser.dialogs import DIALOGS, DialogEntry, open_dialog, prepare
from tests.browser.page_figures import names
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.chromium import BROWSER_TEST, PageProcess, Tab
from tests.support.hostile_text import LONG, RIGHT_TO_LEFT, SCRIPT, TEXTS
from tests.support.waiting import wait_until

pytestmark = BROWSER_TEST
NAMES = (
    ("/sites", "Enrol a site", "Name of the site", "Enrol"),
    ("/settings/users", "Add a user", "Name", "Add"),
)


@pytest.mark.parametrize("text", [SCRIPT, RIGHT_TO_LEFT, LONG], ids=["script", "right to left", "long"])
def test_a_name_is_refused_with_a_sentence_beside_it(cloud: FilledCloud, tab: Tab, text: str) -> None:
    cloud.fill()
    cloud.start()
    for page, opens, field, submits in NAMES:
        tab.open(page, f"button:has-text('{opens}')")
        tab.page.click(f"button:has-text('{opens}')")
        tab.page.fill(f".dialog input[aria-label='{field}']", text)
        tab.page.click(f".dialog button:has-text('{submits}')")
        tab.wait_for_text(".dialog .q-field__messages", "use ")
    assert tab.page.evaluate("window.attacked") is None
    assert tab.violations == []


@pytest.mark.parametrize("text", [SCRIPT, RIGHT_TO_LEFT, LONG], ids=["script", "right to left", "long"])
def test_a_label_is_shown_as_it_was_typed_and_not_run(cloud: FilledCloud, tab: Tab, text: str) -> None:
    cloud.fill()
    cloud.services.accounts.add_user(
        NewUser(name="ana", password="correct horse battery", role=UserRole.OPERATOR)
    )
    cloud.start()
    tab.open("/settings/tokens", "button:has-text('Make a token')")
    tab.page.click("button:has-text('Make a token')")
    tab.page.fill(".dialog input[aria-label='What it is for']", text)
    tab.page.click(".dialog button:has-text('Make')")
    tab.page.click(".dialog button:has-text('Close')")
    tab.page.wait_for_selector("#tokens .ag-row")
    assert text[:80] in tab.page.locator("#tokens .ag-row").first.inner_text()
    assert tab.page.evaluate("window.attacked") is None
    assert tab.violations == []


OF_OBJECTS = tuple(entry.path for entry in PAGES if "{" in entry.path)
BY_STATE = ("/hazards/{site}/{event}", "/sites/{site}", "/campaigns/{campaign}", "/rollouts/{rollout}")
"""Pages whose buttons depend on the state of their object."""


@pytest.mark.parametrize("name", ["none", SCRIPT[SCRIPT.index("<img") :], RIGHT_TO_LEFT])
def test_the_page_of_what_never_existed_says_so_and_leads_to_the_list(
    cloud: FilledCloud, tab: Tab, name: str
) -> None:
    cloud.fill()
    cloud.start()
    for path in OF_OBJECTS:
        parts = dict.fromkeys(re.findall(r"{(\w+)}", path), quote(name, safe=""))
        tab.open(path.format(**parts), _way_to_list(path))
        if tab.page.query_selector("main .lost"):
            assert "http" not in tab.text("main .lost")
        if path in BY_STATE:
            assert tab.page.query_selector("main .actions button:visible") is None, path
    for path in ("/nothing", f"/hazards?class_name={SCRIPT}"):
        tab.open(path, ":is(.lost, .empty):visible")
    assert tab.page.evaluate("window.attacked") is None
    assert tab.violations == []


def _way_to_list(path: str) -> str:
    """Selector of the link to the list of a page's objects, beside the sentence; tabs of the settings."""
    name = path.split("/")[1]
    where = "nav.tabs" if name == "settings" else ":is(.lost, .pages)"
    return f"main {where} a[href^='/{name}']"


def _remove_all(cloud: FilledCloud) -> None:
    """Remove the sites as an admin does, and the rows that nothing removes while a cloud runs."""
    removal = cloud.services.histories.removal
    for site in ("north", "south"):
        cloud.reports.revoke_site(site)
        removal.remove(site, reject_images=False, by="ana")
    with cloud.database.writing() as session:
        for table in (EvaluationRow, SyntheticImage, StageRecord, RolloutEvent, Rollout, Release, Campaign):
            session.execute(delete(table))


def test_a_page_that_is_open_while_its_object_is_removed_says_so_and_waits_for_it(
    cloud: FilledCloud, chromium: Any
) -> None:
    read: dict[str, list[float]] = {}

    class Noting:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            status = 0

            async def noting(message: Message) -> None:
                nonlocal status
                status = message.get("status", status)
                await send(message)

            await self._app(scope, receive, noting)
            if status == 404:
                read.setdefault(scope["path"], []).append(time.monotonic())

    cloud.fill()
    cloud.released()
    cloud.app.add_middleware(Noting)
    cloud.start()
    process = PageProcess(cloud.folder.root)
    values = names(cloud, campaign=cloud.campaign, rollout="r1")
    tabs = {path: Tab(chromium, process) for path in OF_OBJECTS if "{tab}" not in path}
    link = process.login()
    context = chromium.new_context()
    context.new_page().goto(link)
    for path, tab in tabs.items():
        tab.page.context.add_cookies(context.cookies())
        tab.page.goto(process.address() + path.format(**values))
        tab.page.wait_for_selector("main [role=status]")
    _remove_all(cloud)
    stays = {"/sites/{site}": "#site .pill:has-text('revoked')"}
    for path, tab in tabs.items():
        tab.page.wait_for_selector(stays.get(path, _way_to_list(path)))
    wait_until(lambda: any(len(times) > 1 for times in read.values()), 60)
    cloud.released()
    for path in ("/rollouts/{rollout}", "/models/{digest}"):
        tabs[path].page.wait_for_selector("main .lost", state="detached")
    hazard = next(times for path, times in read.items() if "/hazards/" in path)  # what one page alone reads
    assert all(after - before > 5 for before, after in pairwise(hazard)), read
    assert [tab.violations for tab in tabs.values() if tab.violations] == []
    for tab in tabs.values():
        tab.page.close()
    context.close()
    ended, log = process.stop()
    assert (ended, "Traceback" in log) == (0, False), log


@pytest.mark.parametrize("wrong_by_s", [-86_400, -3_600, 3_600, 86_400])
def test_ages_are_by_the_servers_clock_whatever_clock_and_time_zone_the_browser_has(
    cloud: FilledCloud, tab: Tab, wrong_by_s: int
) -> None:
    cloud.fill()
    cloud.start()
    zone = {"timezoneId": "Pacific/Kiritimati" if wrong_by_s > 0 else "America/Los_Angeles"}
    tab.page.context.new_cdp_session(tab.page).send("Emulation.setTimezoneOverride", zone)
    tab.page.clock.set_system_time(time.time() + wrong_by_s)
    tab.open("/sites", "#sites .ag-row")
    assert abs(tab.page.evaluate("Date.now()") / 1000 - time.time() - wrong_by_s) < 1800
    assert tab.page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone") == zone["timezoneId"]
    assert re.search(r" \d+ (s|min) ago", tab.row("sites", "north"))
    cloud.hazard("flood-new", 4, began_s=7_200)
    tab.open("/hazards", "#hazards .ag-row")
    tab.wait_for_text("#hazards .ag-row:has-text('flood-new')", "2 h ago")
    tab.page.click("#hazards a:has-text('flood-new')")
    tab.wait_for_text("#hazard", "2 h ago")
    assert tab.violations == []


_FIELDS = """() => [...document.querySelectorAll('input, textarea')].filter(one =>
    one.offsetParent && !one.readOnly && /^(textarea|text|search|password)$/.test(one.type)
    && (one.closest('.q-dialog') || !document.querySelector('.q-dialog')))
    .map(one => one.ariaLabel ? `[aria-label="${one.ariaLabel}"]` : `[name="${one.name}"]`)"""
"""Selectors of the text fields that can be typed into, in the open dialog if there is one."""
_OVERFLOW = """() => [document.documentElement, ...document.querySelectorAll('.dialog')]
    .filter(one => one.scrollWidth > one.clientWidth + 1).length"""


def _attack(tab: Tab, reopen: Callable[[], None]) -> list[str]:
    """Type each text into each field of a place and send it; the selectors of the fields."""
    reopen()
    fields: list[str] = tab.page.evaluate(_FIELDS)
    for field in fields:
        for name, text in TEXTS.items():
            reopen()
            tab.page.fill(f"{field} >> visible=true", text)
            tab.page.keyboard.press("Enter")
            send = tab.page.locator(".dialog .choices button")
            if send.count():
                send.last.click()
            tab.page.wait_for_load_state("networkidle")
            assert tab.page.evaluate("window.attacked") is None, (field, name)
            assert tab.page.evaluate(_OVERFLOW) == 0, (field, name)
            assert "This page failed" not in tab.page.inner_text("body")
    return fields


def _opened(cloud: FilledCloud, tab: Tab) -> dict[str, str]:
    """Start a cloud with what pages and dialogs are about; the values in the paths. The tab is narrow."""
    cloud.fill()
    cloud.released()
    prepare(cloud)
    cloud.start()
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open("/sites", "#sites")
    return names(cloud, campaign=cloud.campaign, rollout="r1")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_text_field_of_a_page_runs_a_script_or_breaks_the_layout(
    cloud: FilledCloud, page_process: PageProcess, tab: Tab
) -> None:
    values, found = _opened(cloud, tab), []
    tabs = [f"/settings/{one}" for one in TABS]
    for path in [entry.path.format(**values) for entry in PAGES] + tabs:

        def reopen(path: str = path) -> None:
            tab.open(path, ".page .card")
            tab.page.wait_for_load_state("networkidle")

        found += _attack(tab, reopen)
    tab.page.context.clear_cookies()
    tab.log_in("ana", "correct horse battery")
    found += _attack(tab, lambda: tab.open("/password", "form"))
    assert {'[aria-label="By"]', '[aria-label="Object"]', '[name="new"]'} <= set(found)
    assert tab.violations == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_text_field_of_a_dialog_runs_a_script_or_breaks_the_layout(
    cloud: FilledCloud, page_process: PageProcess, tab: Tab
) -> None:
    values, found = _opened(cloud, tab), []
    for dialog in DIALOGS:
        if not dialog.name.endswith(", refused"):  # the fields of another one

            def reopen(dialog: DialogEntry = dialog) -> None:
                open_dialog(tab.page, page_process.address(), dialog, values)

            found += _attack(tab, reopen)
    assert len(found) >= 7
    assert tab.violations == []
