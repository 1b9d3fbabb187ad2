"""`python -m tests.browser.dialog_figures`: every dialog in a real browser, in both themes, wide and narrow.

Counts the findings of axe-core within the dialog that are serious or critical; writes a screenshot of each.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from messaging.figures import Figure
from tests.browser.dialogs import DIALOGS, open_dialog, prepare, settle
from tests.browser.page_figures import SCREENS, THEMES, names, opened_pages, serious_findings
from tests.support.dashboards.chromium import PageProcess
from tests.support.figures.writing import written


def _findings(browser: Any, process: PageProcess, values: dict[str, str], out: Path) -> set[str]:
    found: set[str] = set()
    for theme in THEMES:
        context = browser.new_context()
        context.add_cookies([{"name": "blindspot_theme", "value": theme, "url": process.address()}])
        page = context.new_page()
        page.goto(process.login())
        for dialog in DIALOGS:
            page.set_viewport_size(_size(*SCREENS[0]))  # a narrow table has not all of its buttons
            open_dialog(page, process.address(), dialog, values)
            for width, height in SCREENS:
                page.set_viewport_size(_size(width, height))
                settle(page)
                name = dialog.name.replace(",", "").replace("'", "").replace(" ", "_")
                page.screenshot(path=out / f"dialog_{name}_{width}_{theme}.png")
                place = f"{dialog.name} ({theme}, {width} px)"
                found.update(serious_findings(page, place, within=".q-dialog"))
        context.close()
    return found


def _size(width: int, height: int) -> dict[str, int]:
    return {"width": width, "height": height}


def main() -> int:
    """Entry of the process; exit code 1 if the figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.dialog_figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--screenshots", type=Path, required=True)
    given = parser.parse_args()
    given.screenshots.mkdir(parents=True, exist_ok=True)
    with opened_pages(prepare) as (cloud, process, browser):
        values = names(cloud, campaign=cloud.campaign, rollout="r1")
        found = _findings(browser, process, values, given.screenshots)
    for finding in sorted(found):
        sys.stdout.write(f"{finding}\n")
    opened = len(DIALOGS) * len(THEMES) * len(SCREENS)
    figure = Figure("axe_serious_dialogs", len(found), "findings", "= 0", n=opened)
    return written(given.out, [figure], "make browser")


if __name__ == "__main__":
    sys.exit(main())
