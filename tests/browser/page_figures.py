"""`python -m tests.browser.page_figures`: every page in a real browser, in both themes, wide and narrow.

Counts the findings of axe-core that are serious or critical, and the bytes of the first load as the browser
received them; writes a screenshot of every page.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import sync_playwright

from dashboards.page_list import PAGES
from dashboards.pages.settings.tabs import TABS
from messaging.figures import Figure
from messaging.resources import API_PREFIX
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import NEW
from tests.support.dashboards.chromium import CHROMIUM, FLAGS, PageProcess
from tests.support.figures.writing import written

THEMES = ("light", "dark")
SCREENS = ((1440, 900), (390, 844))
SETTLED_MS, FIRST_LOAD_MS = 2_500, 30_000
SERIOUS = ("serious", "critical")
_BUTTONS = """() => {
    const style = document.createElement('style');
    style.textContent = '.q-btn__content { z-index: auto } .q-focus-helper { display: none }';
    document.head.append(style);
}"""
"""Without the layers that Quasar draws in a button, axe-core finds the button's own ground; with them it
takes what is behind a dialog for that, or cannot decide."""


_TABLES = """() => [...document.querySelectorAll('.table')].every((table) => table.offsetParent === null
    || ['[role=columnheader]', '.ag-cell'].every((cell) => table.querySelector(cell)
        && !!table.querySelector(cell + '[col-id="row-as-card"]') === (table.dataset.cards === "true")))"""
"""Whether each table is drawn as columns or cards, as it has chosen: in between its header has no cell."""
_TABLES_MS = 10_000


@dataclass
class Found:
    """What the pages gave: findings as `page (theme, width): rule`, and the megabytes of the first load."""

    pages: int = 0
    findings: set[str] = field(default_factory=set)
    first_load_mb: float = 0.0


def names(cloud: FilledCloud, *, campaign: str, rollout: str) -> dict[str, str]:
    """Objects that the cloud has, by the names in braces of the pages' paths."""
    hazards = httpx.get(
        f"http://127.0.0.1:{cloud.port}{API_PREFIX}/hazards",
        headers={"Authorization": f"Bearer {cloud.token}"},
        trust_env=False,
    )
    hazard = hazards.raise_for_status().json()["items"][0]
    return {
        "site": hazard["site"],
        "camera": hazard["camera"],
        "event": hazard["event"],
        "mode": "fire.night-clear.missed",
        "campaign": campaign,
        "digest": NEW,
        "rollout": rollout,
    }


def addresses(cloud: FilledCloud, *, campaign: str, rollout: str) -> Iterator[str]:
    """The path of every page, with objects that the cloud has in place of the names in braces."""
    values = names(cloud, campaign=campaign, rollout=rollout)
    for entry in PAGES:
        for tab in TABS if "{tab}" in entry.path else ("",):
            yield entry.path.format(**values, tab=tab)


@contextmanager
def opened_pages(prepare: Callable[[FilledCloud], None]) -> Iterator[tuple[FilledCloud, PageProcess, Any]]:
    """A filled cloud with releases and what `prepare` adds, its pages, and a browser."""
    with tempfile.TemporaryDirectory() as name:
        cloud = FilledCloud(Path(name) / "data")
        cloud.fill()
        cloud.released()
        prepare(cloud)
        cloud.start()
        process = PageProcess(cloud.folder.root)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
                yield cloud, process, browser
        finally:
            process.stop()
            cloud.close()


def serious_findings(page: Any, place: str, *, within: str | None = None) -> Iterator[str]:
    """The serious and critical findings of axe-core as `place: rule: elements`.

    Only in the element of the selector `within`, if it is given.
    """
    page.evaluate(_BUTTONS)
    with suppress(PlaywrightTimeout):  # then axe-core finds the table itself
        page.wait_for_function(_TABLES, timeout=_TABLES_MS)
    for rule in Axe().run(page, context=within).response["violations"]:
        if rule["impact"] in SERIOUS:
            where = "; ".join(node["html"][:120] for node in rule["nodes"][:3])
            yield f"{place}: {rule['id']}: {where}"


def _measured(browser: Any, process: PageProcess, paths: list[str], out: Path) -> Found:
    found = Found(first_load_mb=_first_load_mb(browser, process))
    for theme in THEMES:
        for width, height in SCREENS:
            context = browser.new_context(viewport={"width": width, "height": height})
            context.add_cookies([{"name": "blindspot_theme", "value": theme, "url": process.address()}])
            page = context.new_page()
            page.goto(process.login())
            for path in paths:
                page.goto(process.address() + path)
                page.wait_for_timeout(SETTLED_MS)
                name = path.strip("/").replace("/", "_") or "overview"
                page.screenshot(path=out / f"{name}_{width}_{theme}.png", full_page=True)
                found.findings.update(serious_findings(page, f"{path} ({theme}, {width} px)"))
                found.pages += 1
            context.close()
    return found


def _first_load_mb(browser: Any, process: PageProcess) -> float:
    """Megabytes that an empty browser receives until the overview is still, compressed as they were sent."""
    context = browser.new_context()
    page, received = context.new_page(), []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    page.goto(process.login(), timeout=FIRST_LOAD_MS)
    page.wait_for_timeout(SETTLED_MS)
    context.close()
    return sum(received) / 1e6


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.page_figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--screenshots", type=Path, required=True)
    given = parser.parse_args()
    given.screenshots.mkdir(parents=True, exist_ok=True)
    with opened_pages(FilledCloud.trained) as (cloud, process, browser):
        paths = list(addresses(cloud, campaign=cloud.campaign, rollout="r1"))
        found = _measured(browser, process, paths, given.screenshots)
    for finding in sorted(found.findings):
        sys.stdout.write(f"{finding}\n")
    figures = [
        Figure("axe_serious", len(found.findings), "findings", "= 0", n=found.pages),
        Figure("first_load_mb", found.first_load_mb, "MB", "<= 1.5"),
    ]
    return written(given.out, figures, "make browser")


if __name__ == "__main__":
    sys.exit(main())
