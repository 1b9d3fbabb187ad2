"""Dialogs in a real browser: all of them are in the list, and axe-core finds nothing serious in any."""

import ast
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import dashboards
from cloud.store.access_records import AuditEntry
from tests.browser.dialogs import DIALOGS, open_dialog, prepare
from tests.browser.page_figures import names, serious_findings
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.chromium import BROWSER_TEST, PageProcess, Tab

PACKAGE = Path(dashboards.__file__).parent
OWN = {"components/dialogs.py": 3, "components/login_dialog.py": 1}
"""The dialogs that pages share; the login is opened by no click (`test_journeys.py`)."""
OPENERS = ("ui.dialog", "confirmed", "asked_for_text", "shown_to_copy")


def browser_test(test: Callable[..., None]) -> Callable[..., None]:
    """With the marks of a test that needs chromium; the list is compared without one."""
    for mark in BROWSER_TEST:
        test = mark(test)
    return test


def test_the_list_has_every_place_that_opens_a_dialog() -> None:
    places = Counter(
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in OPENERS
    )
    assert {module: places.pop(module) for module in OWN} == OWN
    listed = Counter(dialog.module for dialog in DIALOGS)
    assert places.keys() == listed.keys()
    assert {module for module, opened in places.items() if listed[module] < opened} == set()


@browser_test
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_a_dialog(
    cloud: FilledCloud, page_process: PageProcess, tab: Tab, theme: str
) -> None:
    values = _opened(cloud, page_process, tab, theme)
    found: list[str] = []
    for dialog in DIALOGS:
        open_dialog(tab.page, page_process.address(), dialog, values)
        found += serious_findings(tab.page, dialog.name, within=".q-dialog")
    assert found == []
    assert tab.violations == []


@browser_test
def test_grey_text_on_a_grey_button_of_a_dialog_is_found(
    cloud: FilledCloud, page_process: PageProcess, tab: Tab
) -> None:
    values = _opened(cloud, page_process, tab, "light")
    dialog = next(one for one in DIALOGS if one.name == "revoke a site")
    open_dialog(tab.page, page_process.address(), dialog, values)
    button = tab.page.locator(".dialog button").last
    button.evaluate("e => { for (const [name, grey] of [['color', '#888'], ['background', '#777']])"
                    " e.style.setProperty(name, grey, 'important'); }")  # fmt: skip
    (found,) = serious_findings(tab.page, dialog.name, within=".q-dialog")
    assert found.startswith("revoke a site: color-contrast: ")
    assert "Revoke" in found


@browser_test
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_a_long_text_to_copy_scrolls_and_its_buttons_stay_in_view(
    cloud: FilledCloud, tab: Tab, width: int, height: int
) -> None:
    sites = [f"tunnel-{n}" for n in range(200)]
    action, address = "POST /site-groups/{group}/rename", "127.0.0.1"
    entry = AuditEntry(0, "ana", address, action, "group a", 200, {"sites": sites}, {"sites": sites})
    cloud.services.audit.add(entry)
    cloud.start()
    tab.page.set_viewport_size({"width": width, "height": height})
    tab.open("/settings/audit", "#audit .ag-row")
    tab.page.click("#audit button:has-text('Change')")
    tab.wait_for_text(".dialog pre", "tunnel-199")
    close = tab.page.locator(".dialog button:has-text('Close')").bounding_box()
    assert close is not None
    assert close["y"] + close["height"] <= height
    assert tab.page.eval_on_selector(".dialog pre", "(text) => text.scrollHeight > text.clientHeight")
    assert tab.violations == []


def _opened(cloud: FilledCloud, process: PageProcess, tab: Tab, theme: str) -> dict[str, str]:
    """Start a cloud with what the dialogs are about, log in, and give the names in the paths."""
    cloud.fill()
    cloud.released()
    prepare(cloud)
    cloud.start()
    cookie = {"name": "blindspot_theme", "value": theme, "url": process.address()}
    tab.page.context.add_cookies([cookie])
    tab.open("/sites", "#sites")
    return names(cloud, campaign=cloud.campaign, rollout="r1")
