"""Serving a web application with uvicorn: a listening socket first, no signal handlers, a clean end."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn

from messaging.errors import StartRefused
from messaging.runtime.quoting import url_host
from messaging.runtime.supervisor import Activity, Supervisor

_POLL_S = 0.02


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the program decides what a signal means."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening_socket(host: str, ports: Sequence[int]) -> socket.socket | None:
    """A TCP socket bound to the first of these ports that is free (0: any), or None."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError):
            listener.close()
        else:
            return listener
    return None


def url_of(host: str, listener: socket.socket, *, encrypted: bool = False) -> str:
    """The address of a listening socket: `http://HOST:PORT` or `https:…`, IPv6 hosts in brackets."""
    scheme, port = "https" if encrypted else "http", listener.getsockname()[1]
    return f"{scheme}://{url_host(host)}:{port}"


async def serve(
    app: Any,
    listener: socket.socket,
    stop: asyncio.Event,
    *,
    tls: ssl.SSLContext | None = None,
    started: Callable[[], None] = lambda: None,
    force: bool = False,
    **options: Any,
) -> None:
    """Serve until `stop`, encrypted with `tls`; `started` is called once requests are answered.

    With `force` open connections (event streams) are cut at the end. `options` go to `uvicorn.Config`.
    """
    if tls is not None:
        options["ssl_context_factory"] = lambda *_: tls
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, **options), started)

    async def follow() -> None:
        await stop.wait()
        server.should_exit = True
        server.force_exit = force

    following = asyncio.create_task(follow())
    try:
        await server.serve([listener])
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


class BackgroundServer:
    """Runs an application in a thread of its own, which is started again if the server ends by itself."""

    def __init__(
        self, app: Any, listener: socket.socket, *, on_failure: Callable[[str], None] = lambda name: None
    ) -> None:
        self._app, self._listener = app, listener
        self._started, self._stop = threading.Event(), threading.Event()
        self._server: _Server | None = None
        self._threads = Supervisor(self._stop, on_failure=on_failure)

    def start(self) -> None:
        """Start to serve; returns once requests are answered, or the first attempt has failed."""
        self._threads.start("http", self._serve)
        while not self._started.wait(_POLL_S) and not self._threads.states()[0].failures:
            pass

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop serving; the port is free when this returns."""
        self._stop.set()
        if self._server is not None:
            self._server.should_exit = True
        self._threads.join(timeout_s)
        self._listener.close()

    def _serve(self, activity: Activity) -> None:
        def started() -> None:
            activity.succeeded()
            self._started.set()

        config = uvicorn.Config(self._app, log_config=None, access_log=False)
        self._server = _Server(config, started)
        self._server.run([self._listener.dup()])
        if not self._stop.is_set():
            raise StartRefused("the HTTP server ended by itself")
