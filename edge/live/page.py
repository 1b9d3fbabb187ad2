"""The live view of a node: a page with its cameras and one for each, on the node's own HTTP server.

It exists if the configuration has a token for it, which every request must give as the password of HTTP
Basic (any user name): on loopback too, where the other programs of a site are. Browsers get no more than they
need: images of this page, no script, no other origin. No program sends it anywhere.
"""

import base64
import binascii
import hmac
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from edge.camera.health import CameraMetrics
from edge.errors import NoLiveFrame
from edge.health import give_way
from edge.live.frames import LiveFrames

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
REFRESH_S = 1
NOTE = "Images are made while somebody looks, are stored nowhere, and leave this machine only to this page."
MOST_WAITING = 8
"""Requests for images at a time, so that health and metrics are answered beside them."""
_WRONG = "give the live view's token as the password, any user name"


@dataclass(frozen=True)
class LiveCamera:
    """A camera as the live view has it."""

    frames: LiveFrames
    health: CameraMetrics


@dataclass(frozen=True)
class LivePage:
    """The live view of a site; `count` is called with the camera of each image that is given."""

    site: str
    token: str
    cameras: Mapping[str, LiveCamera]
    count: Callable[[str], None]
    room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MOST_WAITING))

    def routes(self) -> list[Route]:
        """`/live`, `/live/CAMERA` and `/live/CAMERA.jpg`."""
        return [
            Route("/live", self._guarded(self._list)),
            Route("/live/{camera}.jpg", self._guarded(self._image)),
            Route("/live/{camera}", self._guarded(self._page)),
        ]

    def _guarded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            if self._allowed(request.headers.get("authorization", "")):
                response = answer(request)
            else:
                response = PlainTextResponse(_WRONG, 401, {"WWW-Authenticate": 'Basic realm="live view"'})
            response.headers.update(HEADERS)
            return response

        return endpoint

    def _allowed(self, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        try:
            _, _, password = base64.b64decode(encoded, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(password, self.token.encode())

    def _list(self, _request: Request) -> Response:
        rows = "".join(
            f'<li><a href="/live/{escape(name)}">{escape(name)}</a>: {escape(_state(camera))}</li>'
            for name, camera in self.cameras.items()
        )
        return _html(f"Cameras of {self.site}", f"<ul>{rows}</ul><p>{NOTE}</p>")

    def _page(self, request: Request) -> Response:
        name = request.path_params["camera"]
        camera = self.cameras.get(name)
        if camera is None:
            return self._unknown(name)
        body = (
            f'<p><img src="/live/{escape(name)}.jpg" width="100%" alt="{escape(_state(camera))}"></p>'
            f'<p>The camera {escape(_state(camera))}.</p><p><a href="/live">All cameras</a>. {NOTE}</p>'
        )
        return _html(f"{name} at {self.site}", body, refresh_s=REFRESH_S)

    def _image(self, request: Request) -> Response:
        name = request.path_params["camera"]
        camera = self.cameras.get(name)
        if camera is None:
            return self._unknown(name)
        if not self.room.acquire(blocking=False):
            return PlainTextResponse("too many requests for live images at a time; try again", 503)
        try:
            give_way()
            data = camera.frames.jpeg(name)
        except NoLiveFrame as error:
            why = f": {camera.health.problem}" if camera.health.problem else ""
            return PlainTextResponse(f"{error}{why}", 503)
        finally:
            self.room.release()
        self.count(name)
        return Response(data, media_type="image/jpeg")

    def _unknown(self, name: str) -> Response:
        known = ", ".join(self.cameras)
        return PlainTextResponse(f"site {self.site} has no camera {name[:40]} (it has {known})", 404)


def _state(camera: LiveCamera) -> str:
    if camera.health.connected:
        return "gives frames"
    return "gives no frames" + (f": {camera.health.problem}" if camera.health.problem else "")


def _html(title: str, body: str, *, refresh_s: int | None = None) -> Response:
    refresh = "" if refresh_s is None else f'<meta http-equiv="refresh" content="{refresh_s}">'
    shown = (
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    )
    head = f'<meta charset="utf-8">{shown}{refresh}'
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head>{head}<title>{escape(title)}</title></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )
