"""The pages in a real browser over the cloud's real API: they follow the cloud, its loss and its return."""

import re

import pytest

from messaging.reports import EvidenceSource
from tests.browser.page_speed import SHOWN
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.chromium import BROWSER_TEST, PageProcess, Tab

pytestmark = BROWSER_TEST
LISTS = ("hazards", "sites", "cameras", "failure-modes", "campaigns", "models", "rollouts")


def test_each_list_shows_what_the_cloud_has_and_follows_it(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.page.set_viewport_size({"width": 1440, "height": 900})  # in less, a wide table has cards
    tab.open("/sites", "#sites .ag-row")
    assert re.match(
        r"north online Quarantine Revoke \d+ s ago 2 3 0 0a0a0a0a 77777777 25 % of frames",
        tab.row("sites", "north"),
    )
    tab.page.click("a:has-text('north')")
    tab.page.wait_for_url("**/sites/north")
    tab.open("/cameras", "#cameras .ag-row")
    assert tab.row("cameras", "north/bridge").startswith("bridge north connected night, clear 5 ")
    tab.open("/failure-modes", "#failure-modes .ag-row")
    worst = tab.text("#failure-modes .ag-row[row-index='0']")
    assert worst.startswith("fire missed (night, clear) open ")
    assert "34 % (25–44 %) of 92 tracks" in worst
    cloud.misses("pothole", 0, {EvidenceSource.OPERATOR: 5})
    tab.wait_for_text("#failure-modes", "operator 5")
    tab.open("/hazards", "#hazards .ag-row")
    tab.page.wait_for_selector("#map-card .leaflet-overlay-pane path")  # a circle of a place
    cloud.hazard("flood", 4, began_s=1)
    tab.wait_for_text("#hazards .ag-row", "flood")
    assert tab.violations == []


def test_a_campaign_is_followed_to_its_comparison(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open(f"/campaigns/{cloud.campaign}", "#campaign .stages")
    tab.wait_for_text("#campaign .now", "epoch 2 of 5, loss 1.31")
    tab.wait_for_text("#campaign-loss", "No epoch has ended yet")
    cloud.epochs(1.8)
    cloud.progress(0.8, "epoch 4 of 5, loss 0.92")
    tab.wait_for_text("#campaign .now", "epoch 4 of 5")
    tab.wait_for_text("#campaign-loss", "1 epoch: 1.800.")
    cloud.epochs(1.8, 1.4, 1.1)
    cloud.progress(0.8, "epoch 4 of 5, loss 0.91")
    tab.wait_for_text("#campaign-loss", "3 epochs: 1.800 in the first, 1.100 in the last")
    tab.page.wait_for_selector("#loss-chart canvas, #loss-chart svg")
    assert tab.violations == []


def test_a_cloud_that_is_lost_is_stated_and_read_again_once_it_is_back(
    cloud: FilledCloud, tab: Tab, page_process: PageProcess
) -> None:
    cloud.fill()
    cloud.start()
    tab.open("/sites", "#sites .ag-row")
    cloud.stop()
    tab.wait_for_text("[role=alert]", "does not answer")
    assert re.search(
        r"the cloud at http://127\.0\.0\.1:\d+ does not answer \(ConnectError\); "
        r"is `blindspot cloud run` running\?\. The data below are from \d\d:\d\d:\d\d\.",
        tab.text("[role=alert]"),
    )
    assert "north" in tab.text("#sites")
    cloud.start()
    tab.page.wait_for_selector("[role=alert]", state="detached")
    cloud.reports.group_site("north", "harbour-district")
    tab.wait_for_text("#sites", "harbour-district")
    status, errors = page_process.stop()
    assert status == 0
    assert "Traceback" not in errors


def test_every_list_of_an_empty_cloud_states_what_will_be_shown_there(cloud: FilledCloud, tab: Tab) -> None:
    cloud.start()
    tab.page.set_viewport_size({"width": 390, "height": 844})
    for name in LISTS:
        tab.open(f"/{name}", f"#{name}-card .empty p:visible")
        assert len(tab.text(f"#{name}-card .empty")) > 40, name
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390, name


def test_the_address_holds_the_scope_and_links_keep_it(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.reports.group_site("north", "harbour-district")
    cloud.start()
    tab.open("/sites?group=harbour-district&range=7d", "#sites .ag-row")
    assert tab.page.locator("#sites .ag-row").count() == 1
    tab.page.click("nav a:has-text('Cameras')")
    tab.page.wait_for_url("**/cameras?group=harbour-district&range=7d")
    tab.wait_for_text("#cameras", "bridge")
    assert "south" not in tab.text("#cameras")


def test_the_theme_of_the_switch_stays(cloud: FilledCloud, tab: Tab) -> None:
    cloud.start()
    tab.open("/sites", "#sites-card")
    assert not tab.page.locator("body.body--dark").count()
    tab.page.click("[aria-label='Change to the dark theme']")
    tab.page.wait_for_selector("body.body--dark")
    tab.open("/cameras", "#cameras-card")
    assert tab.page.locator("body.body--dark").count()


def test_the_navigation_of_a_phone_is_behind_a_button(cloud: FilledCloud, tab: Tab) -> None:
    cloud.start()
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open("/sites", "#sites-card")
    assert not tab.page.is_visible("nav a:has-text('Cameras')")
    tab.page.click("[aria-label='Navigation']")
    tab.page.click("nav a:has-text('Cameras')")
    tab.page.wait_for_selector("#cameras-card")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_core_finds_nothing_serious_on_any_page(
    cloud: FilledCloud, tab: Tab, page_process: PageProcess, theme: str
) -> None:
    from tests.browser.page_figures import addresses, serious_findings

    cloud.fill()
    cloud.released()
    cloud.trained()
    cloud.start()
    cookie = {"name": "blindspot_theme", "value": theme, "url": page_process.address()}
    tab.page.context.add_cookies([cookie])
    findings: list[str] = []
    for path in addresses(cloud, campaign=cloud.campaign, rollout="r1"):
        tab.open(path, ".page")
        tab.page.wait_for_function(SHOWN)
        assert tab.page.locator("body.body--dark").count() == (theme == "dark"), path
        findings += serious_findings(tab.page, f"{path} ({theme})")
    assert findings == []


def test_axe_core_sees_a_picture_without_a_text(cloud: FilledCloud, tab: Tab) -> None:
    from tests.browser.page_figures import serious_findings

    cloud.start()
    tab.open("/sites", "#sites-card")
    tab.page.evaluate("document.querySelector('.page').append(document.createElement('img'))")
    assert [found.split(": ")[1] for found in serious_findings(tab.page, "/sites")] == ["image-alt"]
