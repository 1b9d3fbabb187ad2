"""The pages by the keyboard alone: the map of the prototypes, and tables whose rows are cards."""

import re

from tests.support.cloud.filled_cloud import CAMERAS, FilledCloud
from tests.support.cloud.sample_reports import prototype, received
from tests.support.dashboards.chromium import BROWSER_TEST, Tab

pytestmark = BROWSER_TEST
MOST_TABS = 60
PROTOTYPES = "#failure-modes-card .filters .q-select"
FOCUSED = ".q-manual-focusable--focused"


def tab_to(tab: Tab, selector: str) -> None:
    """Press Tab until the focus is in the element; fail if it never is."""
    element = tab.page.locator(selector).first
    element.wait_for()
    for _ in range(MOST_TABS):
        tab.page.keyboard.press("Tab")
        if element.evaluate("(one) => one.contains(document.activeElement)"):
            return
    raise AssertionError(f"{MOST_TABS} presses of Tab do not reach {selector}")


def test_a_prototype_is_chosen_by_the_keyboard_and_limits_the_failure_modes(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    site, camera, tags = CAMERAS[2]
    vector = tuple((37 * n) % 64 - 32 for n in range(64))  # unlike those of `fill`
    cloud.reports.insert([received(prototype(vector, camera=camera, tags=tags, class_name="smoke"), site)])
    cloud.start()
    tab.open("/failure-modes", "#prototypes svg text:has-text('smoke (day, fog)')")
    rows = tab.page.locator("#failure-modes .ag-center-cols-container .ag-row")
    rows.nth(1).wait_for()
    tab_to(tab, PROTOTYPES)
    tab.page.keyboard.press("ArrowDown")
    options = tab.page.locator(".q-menu .q-item")
    options.first.wait_for()
    for _ in range(options.count()):
        if options.filter(has_text="smoke (day, fog)").and_(tab.page.locator(FOCUSED)).count():
            break
        tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/failure-modes?prototype=smoke.day-fog")
    rows.nth(1).wait_for(state="detached")
    assert rows.first.get_attribute("row-id") == "smoke.day-fog.missed"
    assert tab.violations == []


def test_links_and_buttons_of_cards_are_reached_by_tab_and_act_on_enter(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open("/failure-modes", "#failure-modes .row-card a")
    tab_to(tab, "#failure-modes .row-card a:has-text('smoke missed (day, fog)')")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url(re.compile("/failure-modes/smoke.day-fog.missed$"))
    tab.open("/privacy", "#ledgers .row-card")
    tab_to(tab, "#ledgers [aria-label='Verify the ledger of south now']")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#ledgers .ag-row:has-text('south') .pill, .q-notification:has-text('south')")
    assert tab.violations == []
