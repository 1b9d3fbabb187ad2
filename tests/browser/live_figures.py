"""`python -m tests.browser.live_figures`: seconds from a hazard in the database to its row on a screen.

Fifty viewers have the list of hazards open: one in a real browser, whose screen is read, and 49 that hold the
same connection without a browser, so that this machine's renderer is not what is measured. Each viewer is
logged in by itself.
"""

import argparse
import ast
import asyncio
import json
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import socketio
from playwright.sync_api import sync_playwright

from messaging.figures import Figure
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.chromium import CHROMIUM, FLAGS, PageProcess, Tab
from tests.support.figures.writing import written

VIEWERS, HAZARDS, EVERY_S, LONGEST_S = 50, 20, 3.0, 20.0
TARGET_S = "<= 1"


class LightViewer:
    """A viewer of the list without a browser; `seen` has the time at which each text arrived."""

    def __init__(self, process: PageProcess, texts: list[str]) -> None:
        self._address, self._login = process.address(), process.login()
        self._texts = texts
        self._socket = socketio.AsyncClient()
        self.seen: dict[str, float] = {}

    async def open(self) -> None:
        """Log in, load the page and connect as its script does."""
        async with httpx.AsyncClient(follow_redirects=True, trust_env=False, timeout=60.0) as http:
            await http.get(self._login)
            page = (await http.get(f"{self._address}/hazards")).raise_for_status().text
            cookies = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
        found = re.search(r"query: (\{.*?\})", page)
        assert found, "the page states no parameters of its connection"
        own = {"implicit_handshake": "true", "document_id": "light", "tab_id": f"light-{id(self)}"}
        query = ast.literal_eval(found[1]) | own
        self._socket.on("*", self._received)
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        await self._socket.connect(
            f"{self._address}?{parameters}",
            headers={"Cookie": cookies, "Origin": self._address},
            transports=["websocket"],
            socketio_path="/_nicegui_ws/socket.io",
        )

    async def close(self) -> None:
        """End the connection."""
        await self._socket.disconnect()

    async def _received(self, _: str, *data: Any) -> None:
        whole = json.dumps(data, default=str)
        for text in self._texts:
            if text not in self.seen and text in whole:
                self.seen[text] = time.monotonic()


class LightViewers:
    """Viewers in a thread of their own, while the browser is driven by another."""

    def __init__(self, viewers: list[LightViewer]) -> None:
        self._viewers, self._loop = viewers, asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        for viewer in viewers:
            self._run(viewer.open())

    def close(self) -> None:
        """End all connections."""
        for viewer in self._viewers:
            self._run(viewer.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, one: Any) -> None:
        asyncio.run_coroutine_threadsafe(one, self._loop).result(LONGEST_S * 3)


def _measured(cloud: FilledCloud, process: PageProcess) -> tuple[list[float], list[float]]:
    """Seconds of each hazard to the screen, and to each of the other viewers."""
    texts = [f"flood-x{number:03d}" for number in range(HAZARDS)]
    viewers = [LightViewer(process, texts) for _ in range(VIEWERS - 1)]
    to_screen, stored = [], {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        tab, others = Tab(browser, process), LightViewers(viewers)
        tab.open("/hazards", "#hazards .ag-row")
        for text in texts:
            time.sleep(EVERY_S * (1 + 0.1 * (len(to_screen) % 7)))  # no multiple of any period
            stored[text] = time.monotonic()
            cloud.hazard(text, 4, began_s=1)
            tab.wait_for_text("#hazards .ag-row", text, within_ms=int(1000 * LONGEST_S))
            to_screen.append(time.monotonic() - stored[text])
        time.sleep(EVERY_S)
        others.close()
        browser.close()
    to_others = [
        viewer.seen.get(text, stored[text] + LONGEST_S) - stored[text] for viewer in viewers for text in texts
    ]
    return to_screen, to_others


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.95 * (len(seconds) - 1))]


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.live_figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as name:
        cloud = FilledCloud(Path(name) / "data")
        cloud.fill()
        cloud.start()
        process = PageProcess(cloud.folder.root)
        try:
            to_screen, to_others = _measured(cloud, process)
        finally:
            process.stop()
            cloud.close()
    figures = [
        Figure("event_to_screen_p95_s", _p95(to_screen), "s", TARGET_S, n=len(to_screen)),
        Figure("event_to_viewer_p95_s", _p95(to_others), "s", TARGET_S, n=len(to_others)),
    ]
    return written(out, figures, "make browser")


if __name__ == "__main__":
    sys.exit(main())
