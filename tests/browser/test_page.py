"""The live page in a real browser over the cloud's real API: its text, and that it follows the cloud."""

import importlib.util
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from messaging.reports import EvidenceSource
from tests.support.cloud.filled_cloud import FilledCloud

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FIRST_DATA_MS = 20_000
UPDATE_MS = 20_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}; install Debian's chromium"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("nicegui") is None, reason="the extra dashboards is absent"),
]


class PageProcess:
    """`python -m dashboards.app` as the demo starts it."""

    def __init__(self, data: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dashboards.app", "--data", str(data), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def address(self) -> tuple[str, str]:
        """The address, and the link that logs in there; it prints both once a cloud runs."""
        assert self._process.stdout is not None
        lines = self._process.stdout.readline() + self._process.stdout.readline()
        found = re.fullmatch(
            r"the page is at (http://127\.0\.0\.1:\d+/)\nopen (\1login\?token=[\w-]{43})\n", lines
        )
        assert found, lines
        return found[1], found[2]

    def stop(self) -> tuple[int, str]:
        """Exit status after SIGTERM, and what it wrote to stderr."""
        self._process.send_signal(signal.SIGTERM)
        _, errors = self._process.communicate(timeout=15)
        return self._process.returncode, errors


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[FilledCloud]:
    cloud = FilledCloud(tmp_path / "data")
    yield cloud
    cloud.close()


@pytest.fixture
def page_process(cloud: FilledCloud) -> Iterator[PageProcess]:
    process = PageProcess(cloud.folder.root)
    yield process
    process.stop()


def opened(chromium: Any, page_process: PageProcess, violations: list[str]) -> Any:
    """The opened page; requests to other hosts and script errors are appended to `violations`."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    address, link = page_process.address()
    page.on("request", lambda request: violations.append(request.url) if address not in request.url else None)
    page.on("pageerror", lambda error: violations.append(str(error)))
    page.on("console", lambda said: violations.append(said.text) if said.type == "error" else None)
    page.goto(link)
    assert page.url == address
    page.wait_for_selector("#campaign", timeout=FIRST_DATA_MS)
    return page


def text(page: Any, selector: str) -> str:
    """The visible text of an element, on one line."""
    return re.sub(r"\s+", " ", page.inner_text(selector)).strip()


def wait_for_text(page: Any, selector: str, expected: str, within_ms: int = UPDATE_MS) -> None:
    """Wait until the text appears there without a reload."""
    page.locator(selector, has_text=expected).first.wait_for(timeout=within_ms)


def test_the_page_shows_the_whole_fleet_and_follows_its_changes(
    chromium: Any, cloud: FilledCloud, page_process: PageProcess
) -> None:
    cloud.fill()
    cloud.start()
    violations: list[str] = []
    page = opened(chromium, page_process, violations)

    assert text(page, "#overview").startswith(
        "sites online 2 of 2 hazards in 24 h 7 events open failure modes 5"
    )
    assert re.fullmatch(
        r"north online 0a0a0a0a candidate 0b0b0b0b 77777777 25 % of frames \d+ s ago 0 –",
        text(page, "[data-row=site-north]"),
    )
    assert text(page, "[data-row=camera-north-bridge]") == "bridge north night, clear 5.0 18 ms 18,240 157"
    assert text(page, "#hazards tbody tr >> nth=0").startswith("5 fire open south / harbour quay-2 92 %")
    worst = text(page, "#failure-modes tbody tr >> nth=0")
    assert worst.startswith("fire missed (night, clear) 1 camera open ")
    assert worst.endswith("92 teacher 61, track gap 22, motion 9 34 % (25–44 %) of 92 tracks")
    assert text(page, "#campaign .now >> nth=-1").startswith("train 40 % · ")
    assert text(page, "#campaign .now >> nth=-1").endswith("epoch 2 of 5, loss 1.31")
    assert text(page, "#campaign .strip >> nth=0") == "45 kept"
    assert "15 refused: box not confirmed 8, duplicate 4, wrong content 3" in text(page, "#campaign")
    assert text(page, "#campaign figcaption >> nth=0") == "duplicate"
    assert "No comparison yet" in text(page, "#comparison")
    assert text(page, "[data-row=kind-misdetection]").startswith("misdetection ")
    page.locator("#campaign figure img").first.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('#campaign figure img').naturalWidth === 160")

    cloud.hazard("flood", 4, began_s=1)
    wait_for_text(page, "#hazards tbody tr:first-child", "flood")
    cloud.progress(0.8, "epoch 4 of 5, loss 0.92")
    wait_for_text(page, "#campaign .now", "epoch 4 of 5")
    cloud.misses("pothole", 0, {EvidenceSource.OPERATOR: 5})
    wait_for_text(page, "#failure-modes", "operator 5")
    cloud.generate(4, offset=60)
    wait_for_text(page, "#campaign", "48 kept")
    cloud.trained()
    wait_for_text(page, "#comparison", "shadow run at north")
    assert text(page, "[data-row=holdout-garbage-day-clear]").startswith(
        "garbage day, clear 88 % 83 % of 84 −5"
    )
    assert page.get_attribute("[data-row=holdout-garbage-day-clear]", "class") == "worse"
    assert page.get_attribute("[data-row=holdout-fire-day-clear]", "class") is None

    cloud.stop()
    wait_for_text(page, "[role=alert]", "does not answer")
    assert re.search(
        r"Cloud lost: the cloud at http://127\.0\.0\.1:\d+ does not answer \(ConnectError\); "
        r"is `blindspot cloud run` running\? – the data below are from \d\d:\d\d:\d\d\.",
        text(page, "[role=alert]"),
    )
    assert "flood" in text(page, "#hazards")
    assert violations == []
    page.close()
    status, errors = page_process.stop()
    assert status == 0
    assert [line for line in errors.splitlines() if "has logged in from" not in line] == []


def test_every_section_of_an_empty_cloud_states_what_will_be_shown_there(
    chromium: Any, cloud: FilledCloud, page_process: PageProcess
) -> None:
    cloud.start()
    page = opened(chromium, page_process, [])
    for name in ("sites", "hazards", "failure-modes", "campaign", "comparison", "privacy"):
        assert len(text(page, f"#{name} .empty")) > 40, name
    assert "updated every 2 seconds" in text(page, "[role=status]")
    page.set_viewport_size({"width": 800, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    page.close()
    status, errors = page_process.stop()
    assert status == 0
    expected = ("waiting: no cloud runs on", "has logged in from")
    assert [line for line in errors.splitlines() if not any(text in line for text in expected)] == []
