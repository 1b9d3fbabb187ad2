"""A real browser over the pages' real process, for tests."""

import importlib.util
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
UPDATE_MS = 60_000

BROWSER_TEST = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}; install Debian's chromium"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("nicegui") is None, reason="the extra dashboards is absent"),
]


class PageProcess:
    """`python -m dashboards.app` as the demo starts it."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dashboards.app", "--data", str(data), "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._address = self._login = self._errors = ""

    def address(self) -> str:
        """The address that it prints once a cloud runs, without a slash at its end."""
        self._read()
        return self._address

    def login(self) -> str:
        """The link that logs in as admin, which it prints too."""
        self._read()
        return self._login

    def _read(self) -> None:
        assert self._process.stdout is not None
        if self._address:
            return
        lines = self._process.stdout.readline() + self._process.stdout.readline()
        printed = r"the page is at (http://127\.0\.0\.1:\d+)/\nopen (\1/login\?token=[\w-]{43})\n"
        found = re.fullmatch(printed, lines)
        assert found, lines
        self._address, self._login = found[1], found[2]

    def stop(self) -> tuple[int, str]:
        """Exit status after SIGTERM, and what it wrote to stderr."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            _, self._errors = self._process.communicate(timeout=15)
        return self._process.returncode, self._errors


class Tab:
    """A browser's tab on the pages, logged in by the printed link.

    `violations` are requests to other hosts and errors of scripts.
    """

    def __init__(self, chromium: Any, process: PageProcess, *, width: int = 1280, height: int = 900) -> None:
        self._process, self._logged_in = process, False
        self.violations: list[str] = []
        self.page = chromium.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(UPDATE_MS)
        self.page.on("request", self._requested)
        self.page.on("pageerror", lambda error: self.violations.append(str(error)))

    def open(self, path: str, waited_for: str) -> None:
        """Open a page and wait for an element."""
        if not self._logged_in:
            self.page.goto(self._process.login())
            self._logged_in = True
        self.page.goto(self._process.address() + path)
        self.page.wait_for_selector(waited_for)

    def log_in(self, name: str, password: str) -> None:
        """Log in by name and password."""
        self.page.goto(self._process.address() + "/login")
        fill_in_login(self.page, name, password)
        self._logged_in = True

    def text(self, selector: str) -> str:
        """The visible text of an element, on one line."""
        return re.sub(r"\s+", " ", self.page.inner_text(selector)).strip()

    def wait_for_text(self, selector: str, expected: str, within_ms: int = UPDATE_MS) -> None:
        """Wait until the text appears there without a reload."""
        self.page.locator(selector, has_text=expected).first.wait_for(timeout=within_ms)

    def row(self, table: str, row: str) -> str:
        """The visible text of a table's row, on one line."""
        selector = f"#{table} .ag-row[row-id='{row}']"
        self.page.wait_for_selector(selector)
        return self.text(selector)

    def _requested(self, request: Any) -> None:
        if not request.url.startswith((self._process.address(), "data:")):
            self.violations.append(request.url)


def fill_in_login(page: Any, name: str, password: str) -> None:
    """Fill in the form of a page that asks for a login, and wait until it is left."""
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.click("button:has-text('Log in')")
    page.wait_for_url(lambda url: "/login" not in url)
