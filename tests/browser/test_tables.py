"""Tables in a real browser: no text is cut on a wide screen, and a narrow one has a card for each row."""

import time

import pytest

from cloud.store.delivery_records import DeliveryState, HazardChange, HazardDelivery
from cloud.store.delivery_store import DeliveryStore
from tests.browser.page_figures import serious_findings
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.chromium import BROWSER_TEST, Tab
from tests.support.integrations.notices import FACTS

pytestmark = BROWSER_TEST
LISTS = {
    "/failure-modes": "failure-modes",
    "/sites": "sites",
    "/cameras": "cameras",
    "/hazards": "hazards",
    "/campaigns": "campaigns",
    "/models": "models",
    "/rollouts": "rollouts",
    "/settings/integrations": "deliveries",
    "/privacy": "ledger",
}
CUT = """(table) => [table.querySelector(".ag-center-cols-viewport"),
        ...table.querySelectorAll(".ag-cell, .ag-cell *, .ag-header-cell-text")]
    .filter((one) => one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.textContent)"""
"""The texts, or the columns of the table, that are wider than their place."""

WIDER = "(all) => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"


def dead_letter(integration: str) -> HazardDelivery:
    now = int(time.time())
    outcome = "HTTP 503: the service of the harbour is not available"
    return HazardDelivery(
        integration, "0" * 32, HazardChange.OPENED, now, FACTS, DeliveryState.DEAD, now, now, outcome=outcome
    )


@pytest.mark.parametrize("width", [1440, 390])
def test_no_table_cuts_a_text(cloud: FilledCloud, tab: Tab, width: int) -> None:
    cloud.fill()
    cloud.released()
    DeliveryStore(cloud.database).put(dead_letter("city-platform-of-the-harbour"))
    cloud.start()
    tab.page.set_viewport_size({"width": width, "height": 900})
    for address, table in LISTS.items():
        tab.open(address, f"#{table} .ag-row")
        tab.page.wait_for_selector(f"#{table}[data-cards={'true' if width < 600 else 'false'}]")
        assert tab.page.eval_on_selector(f"#{table}", CUT) == [], address
    assert tab.violations == []


def test_a_card_names_its_row_and_its_button_acts(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open("/failure-modes", "#failure-modes .row-card")
    worst = tab.text("#failure-modes .row-card")
    assert worst.startswith("fire missed (night, clear) status open harm ")
    assert "34 % (25–44 %) of 92 tracks" in worst
    tab.open("/hazards", "#hazards .row-card .buttons button")
    assert list(serious_findings(tab.page, "/hazards", within="#hazards")) == []
    tab.open("/privacy", "#ledgers .row-card")
    tab.page.click("[aria-label='Verify the ledger of north now']")
    tab.page.wait_for_selector("#ledgers .ag-row:has-text('north') .pill, .q-notification:has-text('north')")


def test_a_table_changes_between_columns_and_cards_with_the_screen(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    tab.open("/sites", "#sites .ag-header-cell-text:has-text('last heartbeat')")
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.page.wait_for_selector("#sites .row-card:has-text('last heartbeat')")
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    tab.page.wait_for_selector("#sites .row-card", state="detached")
    tab.page.wait_for_selector("#sites .ag-header-cell-text:has-text('last heartbeat')")


def test_on_a_narrow_screen_plain_tables_of_a_page_are_not_wider_than_it(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    cloud.trained()
    cloud.start()
    tab.page.set_viewport_size({"width": 390, "height": 844})
    campaign = f"/campaigns/{cloud.campaign}"
    for address, waited_for in {
        f"{campaign}/comparison": "#comparison-shadow .scroll td.what",
        campaign: "#comparison .scroll td.what",
        "/failure-modes/fire.night-clear.missed": "#mode-campaigns .scroll td",
    }.items():
        tab.open(address, waited_for)
        assert tab.page.eval_on_selector_all(".page .scroll", WIDER) == [], address
    assert tab.violations == []
