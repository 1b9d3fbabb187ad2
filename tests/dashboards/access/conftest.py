"""A real cloud API, and a page with a login before it."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from dashboards.access.access import Access, add_access, viewer_of
from messaging.access_resources import NewUser, UserResource, UserRole
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.browser import Browser

PASSWORD = "long green bridge 7"
_NUMBERS = itertools.count(1)


@dataclass
class Page:
    """A page over a cloud. `browser` is at it; `now` is the clock of its sessions."""

    app: Starlette
    access: Access
    cloud: FilledCloud
    browser: Browser
    runner: asyncio.Runner
    now: list[float]


async def _who(request: Request) -> PlainTextResponse:
    """Who is logged in, and as whom the cloud knows that person."""
    viewer = viewer_of(request)
    known = await viewer.client.get("me", UserResource)
    assert known.name == viewer.user.name
    return PlainTextResponse(f"{known.name} is {known.role}")


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    cloud = FilledCloud(tmp_path_factory.mktemp("access") / "data")
    for role in (UserRole.VIEWER, UserRole.ADMIN):
        cloud.accounts.add_user(NewUser(name=f"one-{role}", role=role, password=PASSWORD))
    cloud.start()
    yield cloud
    cloud.close()


@pytest.fixture
def page(cloud: FilledCloud) -> Iterator[Page]:
    yield from page_over(cloud)


def page_over(cloud: FilledCloud, **options: Any) -> Iterator[Page]:
    """A page that is closed afterwards; `options` of `Access`."""
    now = [1_000.0]
    access = Access(Path(cloud.folder.root), clock=lambda: now[0], **options)
    app = Starlette(
        routes=[Route("/", _who), Route("/sites/{site}", _who), WebSocketRoute("/_nicegui_ws", _echo)]
    )
    add_access(app, access)
    with asyncio.Runner() as runner:
        number = next(_NUMBERS)
        address = f"10.1.{number // 250}.{number % 250}"  # failed logins of one test limit no other
        with Browser(app, runner, address=address) as browser:
            yield Page(app, access, cloud, browser, runner, now)
        runner.run(access.close())
