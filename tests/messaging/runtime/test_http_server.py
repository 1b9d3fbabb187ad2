"""Serving an application: the port is known first, it is free again at the end."""

import asyncio

import httpx
from fastapi import FastAPI

from messaging.runtime.http_server import BackgroundServer, listening_socket, serve, url_of
from tests.support.waiting import wait_until


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    return app


def fetched(url: str) -> bytes:
    return httpx.get(f"{url}/hello", timeout=5.0).content


def test_a_taken_port_is_skipped_and_without_a_free_one_there_is_no_socket() -> None:
    first = listening_socket("127.0.0.1", [0])
    assert first is not None
    first.listen()
    taken = first.getsockname()[1]
    assert listening_socket("127.0.0.1", [taken]) is None
    second = listening_socket("127.0.0.1", [taken, 0])
    assert second is not None
    assert second.getsockname()[1] != taken
    first.close()
    second.close()


def test_it_serves_once_started_is_called_and_ends_when_stop_is_set() -> None:
    async def whole() -> bytes:
        listener, stop, up = listening_socket("127.0.0.1", [0]), asyncio.Event(), asyncio.Event()
        assert listener is not None
        url = url_of("127.0.0.1", listener)
        serving = asyncio.create_task(serve(application(), listener, stop, started=up.set))
        await asyncio.wait_for(up.wait(), 10.0)
        answer = await asyncio.to_thread(fetched, url)
        stop.set()
        await asyncio.wait_for(serving, 10.0)
        return answer

    assert asyncio.run(whole()) == b'"hello"'


def test_a_server_in_the_background_frees_its_port() -> None:
    listener = listening_socket("127.0.0.1", [0])
    assert listener is not None
    port = listener.getsockname()[1]
    server = BackgroundServer(application(), listener)
    server.start()
    assert fetched(f"http://127.0.0.1:{port}") == b'"hello"'
    server.stop()
    again = listening_socket("127.0.0.1", [port])
    assert again is not None
    again.close()


def test_an_ipv6_address_is_in_brackets() -> None:
    listener = listening_socket("127.0.0.1", [0])
    assert listener is not None
    assert url_of("::1", listener).startswith("http://[::1]:")
    listener.close()


def test_a_server_that_ends_by_itself_is_started_again_on_its_port() -> None:
    listener = listening_socket("127.0.0.1", [0])
    assert listener is not None
    failures: list[str] = []
    server = BackgroundServer(application(), listener, on_failure=failures.append)
    server.start()
    try:
        first = server._server
        assert first is not None
        first.should_exit = True
        wait_until(lambda: failures == ["http"])
        wait_until(lambda: server._server is not first and server._server is not None)
        url = url_of("127.0.0.1", listener)
        assert fetched(url) == b'"hello"'
    finally:
        server.stop()
