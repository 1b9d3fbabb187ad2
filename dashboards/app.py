"""The live page: one NiceGUI page over the cloud's REST API, on loopback. Run by `blindspot-page`.

Only this module imports NiceGUI. The browser gets markup and thumbnails from this server alone; the API token
never reaches it. Nothing is fetched from other hosts: styles, scripts and
fonts come from the installed packages.
"""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Response
from fastapi import Path as PathParameter
from nicegui import ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from dashboards.client import find_cloud
from dashboards.errors import CloudLost, DashboardError
from dashboards.markup import Html
from dashboards.pages import campaign, comparison, failure_modes, hazards, overview, privacy, sites
from dashboards.snapshot import PageState, Snapshot, SnapshotCache
from messaging.errors import BlindspotError, ConfigurationError

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8751
REFRESH_S = 2.0
POLL_S = 0.2
SECTIONS: tuple[tuple[str, Callable[[Snapshot], Html]], ...] = (
    ("wide", overview.section),
    ("wide", campaign.section),
    ("wide", failure_modes.section),
    ("half", sites.section),
    ("half", hazards.section),
    ("half", comparison.section),
    ("half", privacy.section),
)
CampaignId = Annotated[str, PathParameter(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
ImageId = Annotated[int, PathParameter(ge=0, lt=2**53)]


def build_page(cache: SnapshotCache, host: str = LOOPBACK) -> FastAPI:
    """The application: the page at `/`, thumbnails at `/thumbnails/CAMPAIGN/IMAGE`.

    On loopback only requests to a loopback name are answered, against DNS rebinding by other pages.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    if host in {LOOPBACK, "localhost", "::1"}:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost", "[::1]"])

    @app.get("/thumbnails/{campaign_id}/{image}")
    async def thumbnail(campaign_id: CampaignId, image: ImageId) -> Response:
        try:
            jpeg = await cache.thumbnail(campaign_id, image)
        except DashboardError as error:
            return Response(str(error), 404, media_type="text/plain")
        headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return Response(jpeg, media_type="image/jpeg", headers=headers)

    ui.run_with(
        app,
        root=lambda: _build(cache),
        title="Blindspot",
        favicon="👁",
        tailwind=False,
        language="en-GB",
        show_welcome_message=False,
    )
    return app


def _build(cache: SnapshotCache) -> None:
    """The page of one viewer; its timer fills it once the browser is connected, and ends with the viewer."""
    ui.add_css(Path(__file__).parent / "page.css")
    with ui.element("main").classes("page"):
        ui.html('<h1>Blindspot</h1><p class="motto">Footage never leaves the site.</p>').classes("masthead")
        status = ui.html('<p class="live">connecting to the cloud …</p>').classes("status")
        sections = [(ui.html("").classes(width), section) for width, section in SECTIONS]

    async def refresh() -> None:
        state = await cache.current()
        _show(status, overview.status_line(state))
        for target, section in sections:
            _show(target, _rendered(section, state))

    ui.timer(REFRESH_S, refresh)


def _rendered(section: Callable[[Snapshot], Html], state: PageState) -> Html:
    return section(state.snapshot) if state.snapshot is not None else Html("")


def _show(target: ui.html, markup: Html) -> None:
    """Send a section to the browser if it has changed."""
    if target.content != markup:
        target.content = markup


async def serve(data: Path, *, host: str, port: int | None, stop: asyncio.Event) -> None:
    """Wait for a cloud, then serve the page until `stop`. Raises `ConfigurationError` for a taken port."""
    if not await _wait_for_cloud(data, stop):
        return
    listener = _listen(host, port)
    cache = SnapshotCache(data)
    server = _Server(
        uvicorn.Config(
            build_page(cache, host), log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
    )
    url = f"http://{host}:{listener.getsockname()[1]}/"
    announcing = asyncio.create_task(_announce(server, url, stop))
    try:
        await server.serve([listener])
    finally:
        announcing.cancel()
        await cache.close()


async def _wait_for_cloud(data: Path, stop: asyncio.Event) -> bool:
    """True once a cloud has written its address; False when `stop` is set first."""
    logged = False
    while not stop.is_set():
        try:
            find_cloud(data)
            return True
        except CloudLost as error:
            if not logged:
                logger.info("waiting: %s", error)
            logged = True
        await asyncio.sleep(POLL_S)
    return False


async def _announce(server: uvicorn.Server, url: str, stop: asyncio.Event) -> None:
    """Print the address once the server answers; end the server when `stop` is set."""
    while not server.started and not stop.is_set():
        await asyncio.sleep(0.02)
    if server.started:
        sys.stdout.write(f"the page is at {url}\n")
        sys.stdout.flush()
    await stop.wait()
    server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: this program handles stop signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int | None) -> socket.socket:
    """A listening socket; without a port the default one, or a free one when that is taken."""
    candidates = [DEFAULT_PORT, 0] if port is None else [port]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in candidates:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
            return listener
        except (OSError, OverflowError):
            listener.close()
    raise ConfigurationError(
        f"the page cannot listen on {host}:{port}; choose another port with --port, or 0 for a free one"
    )


async def _until_signalled(data: Path, host: str, port: int | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(data, host=host, port=port, stop=stop)


def main(arguments: list[str] | None = None) -> int:
    """Entry of the process: 0 after a stop signal, 1 after an error, which is logged as one sentence."""
    parser = argparse.ArgumentParser(prog="blindspot-page", description="the live page over a running cloud")
    parser.add_argument("--data", type=Path, required=True, help="the data folder of the cloud")
    parser.add_argument("--port", type=int, help=f"default: {DEFAULT_PORT}, or a free one when that is taken")
    parser.add_argument("--host", default=LOOPBACK, help="the address to listen on (default: loopback only)")
    given = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    for name in ("httpx", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(_until_signalled(given.data, given.host, given.port))
    except BlindspotError as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
