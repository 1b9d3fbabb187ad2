"""How long every page takes in a real browser, from its request until it shows what it read."""

import time
from collections.abc import Iterable
from typing import Any

from playwright.sync_api import sync_playwright

from tests.support.dashboards.chromium import CHROMIUM, FLAGS, UPDATE_MS, PageProcess

OPENINGS = 5
SHOWN = """() => document.querySelector(".status .dot")
    && [...document.querySelectorAll(".table")].every(
        table => table.offsetParent === null || table.querySelector(".ag-row"))"""
"""What was read is shown: the page is live, and no visible table is without rows."""


def seconds_until_shown(process: PageProcess, paths: Iterable[str]) -> dict[str, float]:
    """Of each page the slowest of `OPENINGS` after a first one; each loads the whole page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(UPDATE_MS)
        page.goto(process.login())
        taken = {
            path: [_opened(page, process.address() + path) for _ in range(OPENINGS + 1)] for path in paths
        }
        browser.close()
    return {path: max(seconds[1:]) for path, seconds in taken.items()}


def _opened(page: Any, address: str) -> float:
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function(SHOWN)
    return time.perf_counter() - began
