"""`python -m tests.browser.journey_figures`: the journeys that pass, and the clicks that start a campaign.

The journeys are run by pytest in a process of its own and counted in its report. The clicks are counted by
the browser, on each way from the overview to a started campaign; the longest way is the figure.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from messaging.figures import Figure
from messaging.resources import CampaignResource
from tests.support.cloud.running_cloud import RunningCloud, running_cloud
from tests.support.dashboards.chromium import CHROMIUM, FLAGS, PageProcess, Tab
from tests.support.edge_campaigns import SITES, real_edge_stages, settings, with_evidence
from tests.support.figures.journeys import journeys_passed, names_of_tests
from tests.support.figures.writing import written
from tests.support.waiting import wait_until

JOURNEYS = tuple(Path(__file__).with_name(f"test_{name}.py") for name in ("journeys", "site_journeys"))
START = "button:has-text('Start the campaign')"
WAYS = (
    ("#worst-modes a:has-text('pothole')", "#failure-mode button:has-text('Plan a campaign')", START),
    ("nav a:has-text('Campaigns')", "text=New campaign", "#campaign-modes .q-checkbox:has-text('pothole')",
     START),
)  # fmt: skip
"""What is clicked from the overview on: by the worst failure modes, and by the list of campaigns."""
_COUNTED = """addEventListener('click', event => {
    if (event.isTrusted) sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1;
}, true)"""


def clicks_to_start(browser: Any, folder: Path, way: tuple[str, ...]) -> int:
    """The clicks that the browser counts until the cloud has a campaign; `folder` is empty."""
    with running_cloud(settings(folder), real_edge_stages, sites=SITES) as cloud:
        with_evidence(cloud)
        process = PageProcess(cloud.settings.data)
        tab = Tab(browser, process)
        try:
            tab.page.add_init_script(_COUNTED)
            tab.open("/", "#worst-modes a")
            for selector in way:
                tab.page.click(selector)
            tab.page.wait_for_selector("#campaign .pill")
            wait_until(lambda: _campaigns(cloud) == 1, 60.0)
            return int(tab.page.evaluate("sessionStorage.clicks"))
        finally:
            tab.page.close()
            process.stop()


def _campaigns(cloud: RunningCloud) -> int:
    with cloud.client() as client:
        return len(client.page("campaigns", CampaignResource))


def _clicks() -> list[int]:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        return [clicks_to_start(browser, Path(name) / str(n), way) for n, way in enumerate(WAYS)]


def _report(folder: Path) -> bytes | None:
    """The JUnit report of the journeys; None if pytest wrote none."""
    report = folder / "journeys.xml"
    options = ("-m", "slow or not slow", f"--junitxml={report}")
    command = [sys.executable, "-m", "pytest", *map(str, JOURNEYS), *options]
    subprocess.run(command, check=False, stdout=sys.stderr)
    return report.read_bytes() if report.exists() else None


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.journey_figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as name:
        report = _report(Path(name))
    clicks = _clicks()
    journeys = frozenset[str]().union(*(names_of_tests(one.read_text(encoding="utf-8")) for one in JOURNEYS))
    figures = [
        journeys_passed(journeys, report),
        Figure("campaign_start_clicks", max(clicks), "clicks", "<= 5", n=len(clicks)),
    ]
    return written(out, figures, "make browser")


if __name__ == "__main__":
    sys.exit(main())
