"""`python -m tests.browser.list_figures`: how long lists of the API and pages take on a large fleet.

Each list is requested with and without its filters, `REQUESTS` times each, half of them of a later page. The
slowest 95th percentile of all lists on each database is a figure; so is the slowest opening of the slowest
page.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from messaging.figures import Figure
from messaging.resources import API_PREFIX
from messaging.runtime.program import freeze_garbage_collection
from messaging.runtime.quoting import sqlite_url
from tests.browser.page_figures import addresses
from tests.browser.page_speed import OPENINGS, seconds_until_shown
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.large_fleet import FleetSize, fill
from tests.support.cloud.postgres import find_programs, running_postgres
from tests.support.dashboards.chromium import PageProcess
from tests.support.figures.writing import written

REQUESTS = 50
LIST_TARGET, PAGE_TARGET = "<= 200", "<= 1.5"
CAMPAIGN = f"C{3:025d}"
ROLLOUT = f"R{3:025d}"
MODE = "fire.night-clear.missed"
LISTS = (
    "overview", "sites", "sites?group=group-3", "sites?online=false", "sites?quarantined=true", "cameras",
    "cameras?connected=false", "cameras?site=site-0500", "cameras?light=night&group=group-3", "hazards",
    "hazards?site=site-0500", "hazards?group=group-3", "hazards?class_name=fire&severity=4",
    "hazards?status=acknowledged", "hazards?status=false_alarm", "hazards?state=opened",
    "hazards?camera=nowhere",
    "failure-modes", "failure-modes?status=open&kind=missed", "failure-modes?site=site-0500", "misdetections",
    "misdetections?site=site-0500", "misdetections?class_name=fire&condition=night-clear&kind=missed",
    "misdetections?class_name=nothing", "misdetections?evidence=operator", "campaigns",
    f"campaigns?mode={MODE}",
    f"campaigns/{CAMPAIGN}/images", f"campaigns/{CAMPAIGN}/images?kept=false&reason=blurred",
    f"campaigns/{CAMPAIGN}/images?mode={MODE}", f"campaigns/{CAMPAIGN}/images?label=fire",
    f"campaigns/{CAMPAIGN}/images?label=nothing", "models", "models?role=teacher", "rollouts",
    "rollouts?state=halted", f"rollouts?campaign={CAMPAIGN}", "site-groups",
    "ledger", "deliveries", "dead-letters", "audit", "audit?user=user-3", "users",
    "tokens", "integrations",
)  # fmt: skip


@dataclass(frozen=True)
class Times:
    """The 95th percentile of each list's answers, and the slowest opening of each page."""

    lists_ms: dict[str, float]
    pages_s: dict[str, float]


def measured(folder: Path, store_url: str, size: FleetSize, *, requests: int) -> Times:
    """Fill a cloud, and request every list and page of it."""
    cloud = FilledCloud(folder, store_url)
    try:
        fill(cloud.database, size, now=int(time.time()))
        cloud.start()
        freeze_garbage_collection()  # as `blindspot cloud run`
        address = f"http://127.0.0.1:{cloud.port}{API_PREFIX}/"
        headers = {"Authorization": f"Bearer {cloud.token}"}
        with httpx.Client(base_url=address, headers=headers, timeout=120.0, trust_env=False) as client:
            lists = {path: _p95_ms(client, path, requests) for path in LISTS}
        return Times(lists, _pages_s(cloud))
    finally:
        cloud.close()


def _pages_s(cloud: FilledCloud) -> dict[str, float]:
    process = PageProcess(cloud.folder.root)
    try:
        return seconds_until_shown(process, addresses(cloud, campaign=CAMPAIGN, rollout=ROLLOUT))
    finally:
        process.stop()


def _p95_ms(client: httpx.Client, path: str, requests: int) -> float:
    first = client.get(path)
    first.raise_for_status()
    cursor = first.json().get("next")
    later = f"{path}{'&' if '?' in path else '?'}cursor={cursor}" if cursor else path
    taken = []
    for number in range(requests):
        began = time.perf_counter()
        answer = client.get(later if number % 2 else path)
        taken.append(1000 * (time.perf_counter() - began))
        answer.raise_for_status()
    return sorted(taken)[int(0.95 * len(taken))]


@contextmanager
def _stores(folder: Path) -> Iterator[dict[str, str]]:
    """The URL of an empty database of each kind that this machine has."""
    urls = {"sqlite": sqlite_url(folder / "store.sqlite")}
    programs = find_programs()
    if programs is None:
        yield urls
        return
    with running_postgres(programs) as server:
        yield {**urls, "postgresql": server.new_database()}


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.list_figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--misdetections", type=int, default=FleetSize.misdetections)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), help="only this database")
    given = parser.parse_args()
    size, figures = FleetSize(misdetections=given.misdetections), []
    with tempfile.TemporaryDirectory() as name, _stores(Path(name)) as stores:
        for store, url in stores.items():
            if given.store not in (None, store):
                continue
            found = measured(Path(name) / store, url, size, requests=REQUESTS)
            lists, pages = found.lists_ms, found.pages_s
            for path, taken in sorted(lists.items(), key=lambda one: -one[1]):
                sys.stdout.write(f"{store} {path}: {taken:.0f} ms\n")
            for path, taken in sorted(pages.items(), key=lambda one: -one[1]):
                sys.stdout.write(f"{store} page {path}: {taken:.2f} s\n")
            figures += [
                Figure(f"worst_list_p95_ms_{store}", max(lists.values()), "ms", LIST_TARGET,
                       n=REQUESTS * len(lists)),
                Figure(f"worst_page_interactive_s_{store}", max(pages.values()), "s", PAGE_TARGET,
                       n=OPENINGS * len(pages)),
            ]  # fmt: skip
    return written(given.out, figures, "make browser")


if __name__ == "__main__":
    sys.exit(main())
