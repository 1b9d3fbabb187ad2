"""The dashboard beside the cloud: a child that starts once the API answers, and again whenever it ends.

The cloud works without it. Its log is `page.log` in the data folder, readable by its owner alone: it has the
address that logs in with the data folder's authority.
"""

import asyncio
import importlib.util
import logging
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cloud.errors import BadRequest
from cloud.settings import CloudSettings, PageSettings
from messaging.runtime.atomic_files import SECRET_MODE
from messaging.runtime.backoff import Backoff
from messaging.runtime.child_process import ChildProcess
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.stopping import stopped_within

logger = logging.getLogger(__name__)

PYTHON = sys.executable
POLL_S = 0.5
LOG = "page.log"
FIRST_WAIT_S, MAX_WAIT_S = 2.0, 300.0
STOP_S = 3.0
LASTING_S = 60.0
_LINK = re.compile(r"^open (https?://\S+)$", re.MULTILINE)


def page_of(settings: CloudSettings, wanted: bool | None) -> PageSettings | None:
    """How to start the dashboard, or None. `wanted`: `--page` or `--no-page`, None for neither.

    It is part of an installation with the extra `dashboards`. Raises `BadRequest` if `--page` asks for it and
    it is not installed.
    """
    installed = importlib.util.find_spec("nicegui") is not None
    if wanted and not installed:
        raise BadRequest("the dashboard is not installed; install blindspot with the extra `dashboards`")
    if wanted is False or not installed or (settings.page is False and not wanted):
        return None
    return settings.page if isinstance(settings.page, PageSettings) else PageSettings()


class PageProgram:
    """The child. `announce` gets the address that logs in, at every start of the page."""

    def __init__(self, data: Path, page: PageSettings, announce: Callable[[str], None]) -> None:
        self._log = data / LOG
        self._arguments: list[str | Path] = [PYTHON, "-m", "dashboards.app", "--data", data]
        if page.port is not None:
            self._arguments += ["--port", str(page.port)]
        if page.config is not None:
            self._arguments += ["--config", page.config]
        self._announce = announce
        self._waits = Backoff(FIRST_WAIT_S, MAX_WAIT_S)
        self._child: ChildProcess | None = None
        self._announced = False
        self._started_at = self._start_at = 0.0

    async def run(self, started: asyncio.Event, stop: asyncio.Event) -> None:
        """Start it once the API answers, and keep it running until `stop`."""
        waiting = asyncio.ensure_future(started.wait())
        ending = asyncio.ensure_future(stop.wait())
        await asyncio.wait({waiting, ending}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        ending.cancel()
        try:
            while not stop.is_set():
                self.step()
                await stopped_within(stop, POLL_S)
        finally:
            if self._child is not None:
                await asyncio.to_thread(self._child.stop, STOP_S)

    def step(self) -> None:
        """Start it if it does not run, unless it ended just now; note its address."""
        child = self._child
        if child is None:
            if time.monotonic() >= self._start_at:
                self._start()
        elif child.poll() is not None:
            self._child = None
            if time.monotonic() - self._started_at > LASTING_S:
                self._waits.reset()
            self._start_later(child.tail(1))
        elif not self._announced and (link := _LINK.search(self._log.read_text(errors="replace"))):
            self._announced = True
            self._announce(link[1])

    def _start(self) -> None:
        self._announced, self._started_at = False, time.monotonic()
        try:
            self._log.write_text("")
            self._log.chmod(SECRET_MODE)
            self._child = ChildProcess(self._arguments, log=self._log)
        except OSError as error:
            self._start_later(os_error_sentence(error))

    def _start_later(self, why: str) -> None:
        wait_s = self._waits.next_s()
        self._start_at = time.monotonic() + wait_s
        logger.warning("the dashboard does not run and is started again in %.0f s: %s", wait_s, why)
