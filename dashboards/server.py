"""The web application of the pages: the shell for each viewer, and images of campaigns.

The browser gets markup and images from this server alone; no token of the cloud reaches it, and every
browser logs in first (`dashboards.access`), which gives every answer its security headers. Nothing is fetched
from other hosts but the tiles of maps, if a host of them is configured: styles, scripts and fonts come from
the installed packages.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi import Path as PathParameter
from nicegui import ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from dashboards import theme
from dashboards.access.access import Access, add_access, viewer_of
from dashboards.access.current import current_viewer
from dashboards.access.live_events import LiveEvents
from dashboards.errors import CloudLost, DashboardError
from dashboards.page_list import NAVIGATION, PAGES
from dashboards.reads import SharedReads
from dashboards.settings import DEFAULTS, PLAN_ADDRESS, DashboardSettings
from dashboards.shell import build_shell
from messaging.fields import Digest
from messaging.runtime.addresses import is_loopback

LOOPBACK = "127.0.0.1"
STYLE = Path(__file__).parent / "style.css"
CampaignId = Annotated[str, PathParameter(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
ImageId = Annotated[int, PathParameter(ge=0, lt=2**53)]
ImageView = Literal["full", "empty", "difference"]


def build_page(
    folder: Path,
    host: str = LOOPBACK,
    settings: DashboardSettings = DEFAULTS,
    *,
    plan: bytes | None = None,
) -> tuple[FastAPI, Access, LiveEvents]:
    """The application over the cloud of a data folder, its logins (to be closed), live events (to follow).

    `plan` is the drawn plan of the maps as GeoJSON. On loopback only requests to a loopback name are
    answered, against DNS rebinding by other pages.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    if is_loopback(host):
        public = [urlsplit(settings.public_url).hostname or ""] if settings.public_url else []
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost", "[::1]", *public])
    access, reads = Access(folder, settings=settings, image_hosts=settings.map.hosts), SharedReads()
    add_access(app, access)

    @app.get("/thumbnails/{campaign_id}/{image}")
    async def thumbnail(request: Request, campaign_id: CampaignId, image: ImageId) -> Response:
        client = viewer_of(request).client
        return await _image(lambda: client.image_view(campaign_id, image, "thumbnail"), "image/jpeg")

    @app.get("/campaign-images/{campaign_id}/{image}/{view}")
    async def image_view(
        request: Request, campaign_id: CampaignId, image: ImageId, view: ImageView
    ) -> Response:
        client = viewer_of(request).client
        return await _image(lambda: client.image_view(campaign_id, image, view), "image/jpeg")

    @app.get("/sample-sheets/{sample}")
    async def sample_sheet(request: Request, sample: CampaignId) -> Response:
        client = viewer_of(request).client
        return await _image(lambda: client.sample_sheet(sample), "image/png")

    @app.get(PLAN_ADDRESS)
    async def map_plan() -> Response:
        if plan is None:
            return Response("no plan of the maps is configured", 404, media_type="text/plain")
        headers = {"Cache-Control": "private, no-cache"}
        return Response(plan, media_type="application/geo+json", headers=headers)

    _add_model_files(app)

    def root() -> None:
        ui.add_css(theme.style_properties())
        ui.add_css(STYLE)
        build_shell(current_viewer(), reads, settings.map, pages=PAGES, navigation=NAVIGATION)

    ui.run_with(
        app,
        root=root,
        title="Blindspot",
        favicon="👁",
        tailwind=False,
        language="en-GB",
        show_welcome_message=False,
    )
    return app, access, access.live_events(reads.forget)


def _add_model_files(app: FastAPI) -> None:
    """Files about a release: its card, its lineage."""

    @app.get("/cards/{digest}.{ending}")
    async def model_card(request: Request, digest: Digest, ending: Literal["json", "md"]) -> Response:
        """The algorithm-register card of a release as a file."""
        path = f"models/{digest}/card" + (".md" if ending == "md" else "")
        try:
            text = await viewer_of(request).client.text(path)
        except DashboardError as error:
            return Response(str(error), 404, media_type="text/plain")
        name = f"card-{digest[:12]}.{ending}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        media_type = "application/json" if ending == "json" else "text/markdown"
        return Response(text, media_type=media_type, headers=headers)

    @app.get("/lineages/{digest}.json")
    async def lineage(request: Request, digest: Digest) -> Response:
        """The whole lineage of a release, with all its images, as a file."""
        try:
            found = await viewer_of(request).client.whole_lineage(digest)
        except DashboardError as error:
            return Response(str(error), 404, media_type="text/plain")
        headers = {"Content-Disposition": f'attachment; filename="lineage-{digest[:12]}.json"'}
        return Response(found.model_dump_json(indent=1), media_type="application/json", headers=headers)


async def _image(read: Callable[[], Awaitable[bytes]], media_type: str) -> Response:
    """An image that the viewer may see, for the viewer's browser alone to keep.

    A browser does not ask again for an image that failed, so a cloud that does not answer is asked once more;
    then 503. What is refused is 404 with a sentence.
    """
    try:
        try:
            content = await read()
        except CloudLost:
            content = await read()
    except CloudLost as error:
        return Response(str(error), 503, media_type="text/plain")
    except DashboardError as error:
        return Response(str(error), 404, media_type="text/plain")
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(content, media_type=media_type, headers=headers)
