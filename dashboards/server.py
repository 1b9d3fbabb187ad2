"""The web application of the pages: the shell for each viewer, and images of campaigns.

The browser gets markup and images from this server alone; no token of the cloud reaches it. Nothing is
fetched from other hosts: styles, scripts and fonts come from the installed packages.
"""

from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Response
from fastapi import Path as PathParameter
from nicegui import ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from dashboards import theme
from dashboards.access.viewer import Viewer
from dashboards.cloud_link import CloudLink
from dashboards.errors import DashboardError
from dashboards.page_list import NAVIGATION, PAGES
from dashboards.reads import SharedReads
from dashboards.shell import build_shell
from messaging.access_resources import UserResource, UserRole
from messaging.runtime.addresses import is_loopback

LOOPBACK = "127.0.0.1"
STYLE = Path(__file__).parent / "style.css"
CampaignId = Annotated[str, PathParameter(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
ImageId = Annotated[int, PathParameter(ge=0, lt=2**53)]
EVERYBODY = UserResource(name="everybody", role=UserRole.VIEWER)
"""Until people log in, whoever reaches the page reads with the data folder's token."""


def build_page(folder: Path, host: str = LOOPBACK) -> tuple[FastAPI, CloudLink]:
    """The application over the cloud of a data folder, and its connection, to be closed at the end.

    On loopback only requests to a loopback name are answered, against DNS rebinding by other pages.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    if is_loopback(host):
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost", "[::1]"])
    link, reads = CloudLink(folder), SharedReads()

    @app.get("/thumbnails/{campaign_id}/{image}")
    async def thumbnail(campaign_id: CampaignId, image: ImageId) -> Response:
        try:
            jpeg = await link.thumbnail(campaign_id, image)
        except DashboardError as error:
            return Response(str(error), 404, media_type="text/plain")
        headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return Response(jpeg, media_type="image/jpeg", headers=headers)

    def root() -> None:
        ui.add_css(theme.style_properties())
        ui.add_css(STYLE)
        build_shell(Viewer(EVERYBODY, link), reads, PAGES, NAVIGATION)

    ui.run_with(
        app,
        root=root,
        title="Blindspot",
        favicon="👁",
        tailwind=False,
        language="en-GB",
        show_welcome_message=False,
    )
    return app, link
