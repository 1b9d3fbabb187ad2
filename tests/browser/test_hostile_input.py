"""Hostile input in a real browser: scripts, right-to-left text, long text, unknown objects, wrong clocks."""

import re
import time

import pytest

from messaging.access_resources import NewUser, UserRole
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.chromium import BROWSER_TEST, Tab

pytestmark = BROWSER_TEST
SCRIPT = "<script>window.attacked = 1</script><img src=x onerror='window.attacked = 1'>"
RIGHT_TO_LEFT = "\u202e\u0645\u0631\u062d\u0628\u0627 👩\u200d🚒🔥"
LONG = "x" * 10_000
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


@pytest.mark.parametrize(
    "path",
    [
        "/sites/nowhere", "/hazards/north/nothing", "/failure-modes/none", "/campaigns/none", "/models/none",
        "/rollouts/none", "/campaigns/none/images", "/campaigns/none/comparison",
        f"/hazards?class_name={SCRIPT}", f"/sites/{SCRIPT}", f"/campaigns/{RIGHT_TO_LEFT}",
        "/cameras/north/none", f"/cameras/north/{SCRIPT}",
        "/settings/nothing", "/nothing",
    ],
)  # fmt: skip
def test_a_page_of_what_does_not_exist_says_so(cloud: FilledCloud, tab: Tab, path: str) -> None:
    cloud.fill()
    cloud.start()
    tab.open(path, ".page")
    tab.page.wait_for_selector(".lost, .empty")
    assert tab.page.evaluate("window.attacked") is None


@pytest.mark.parametrize("wrong_by_s", [-86_400, 86_400], ids=["a day behind", "a day ahead"])
def test_ages_are_by_the_servers_clock_whatever_the_browsers_says(
    cloud: FilledCloud, tab: Tab, wrong_by_s: int
) -> None:
    cloud.fill()
    cloud.start()
    tab.page.clock.set_system_time(time.time() + wrong_by_s)
    tab.open("/sites", "#sites .ag-row")
    assert abs(tab.page.evaluate("Date.now()") / 1000 - time.time() - wrong_by_s) < 3600
    assert re.search(r" \d+ (s|min) ago", tab.row("sites", "north"))
    cloud.hazard("flood-new", 4, began_s=7_200)
    tab.open("/hazards", "#hazards .ag-row")
    tab.wait_for_text("#hazards .ag-row:has-text('flood-new')", "2 h ago")
    tab.page.click("#hazards a:has-text('flood-new')")
    tab.wait_for_text("#hazard", "2 h ago")
    assert tab.violations == []
