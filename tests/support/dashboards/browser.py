"""A browser without scripts: it keeps cookies, fills in forms, and states where its requests come from."""

import asyncio
import re
from html import unescape
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette

PAGE = "http://127.0.0.1:8751"
HTML = {"Accept": "text/html"}


class Browser:
    """One browser at a page that is called as an ASGI application."""

    def __init__(
        self, app: Starlette, runner: asyncio.Runner, *, at: str = PAGE, address: str = "10.0.0.9"
    ) -> None:
        """`at`: the page's address, `address`: the browser's."""
        self._app, self._runner, self._at = app, runner, at
        transport = httpx.ASGITransport(app, client=(address, 50_000))
        self._http = httpx.AsyncClient(base_url=at, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._http.aclose())

    @property
    def cookies(self) -> dict[str, str]:
        """Its cookies by name."""
        return dict(self._http.cookies)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a path."""
        given = HTML | {name.replace("_", "-"): value for name, value in headers.items()}
        return self._runner.run(self._http.get(path, headers=given))

    def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """Send a form, as from a page of `self`."""
        given = HTML | {"Origin": self._at} | {n.replace("_", "-"): v for n, v in headers.items()}
        return self._runner.run(self._http.post(path, data=fields, headers=given))

    def fill_in(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """Open a page with a form, fill it in and send it."""
        text = self.get(path).text
        found = re.findall(r'<input name="(\w+)" value="([^"]*)" type="hidden">', text)
        hidden = {name: unescape(value) for name, value in found}
        action = re.search(r'action="([^"]+)"', text)
        assert action is not None, text
        return self.post(action[1], hidden | fields, **headers)

    def log_in(self, name: str, password: str, going_to: str = "") -> httpx.Response:
        """Log in by the form."""
        return self.fill_in(f"/login{going_to}", {"name": name, "password": password})

    def websocket(self, path: str, **headers: str) -> str:
        """Open a websocket: the type of the first message that the application answers with."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        given = {"host": urlsplit(self._at).netloc, "cookie": cookies, **headers}
        scope: dict[str, Any] = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("10.0.0.9", 50_000),
            "subprotocols": [],
            "state": {},
        }
        sent: list[str] = []
        said: list[dict[str, Any]] = [
            {"type": "websocket.connect"},
            {"type": "websocket.disconnect", "code": 1001},
        ]
        waiting = iter(said)

        async def receive() -> dict[str, Any]:
            return next(waiting)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        self._runner.run(self._app(scope, receive, send))
        return sent[0]
