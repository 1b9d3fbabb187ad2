"""Chromium, a filled cloud and the pages' process for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.chromium import CHROMIUM, FLAGS, PageProcess, Tab


@pytest.fixture(scope="module")  # while Playwright runs, no other test can run an event loop
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
    ended, log = process.stop()
    assert (ended, "Traceback" in log, "ERROR" in log) == (0, False, False), log


@pytest.fixture
def tab(chromium: Any, page_process: PageProcess) -> Iterator[Tab]:
    tab = Tab(chromium, page_process)
    yield tab
    tab.page.close()
