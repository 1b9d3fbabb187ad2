"""Why a camera gives no stream: one sentence per cause, within the time limit, without secrets."""

import base64
import contextlib
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from edge.camera.diagnosis import why_no_stream
from messaging.nats.broker import free_port

Answer = Callable[[socket.socket], None]


@contextlib.contextmanager
def server(answer: Answer) -> Iterator[int]:
    """A server on loopback that gives every connection to `answer`."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        with contextlib.suppress(OSError), socket.create_connection(listener.getsockname(), 1.0):
            pass
        listener.close()
        thread.join(5)


def says(text: str) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(text.encode())

    return answer


def silent(connection: socket.socket) -> None:
    time.sleep(3)


def slow(connection: socket.socket) -> None:
    for letter in b"RTSP/1.0 200 OK\r\nServer: slow and slow and slow\r\n\r\n":
        connection.sendall(bytes([letter]))
        time.sleep(0.2)


OVERLONG = "RTSP/1.0 200 OK\r\n" + "X: y\r\n" * 20_000


@pytest.mark.parametrize(
    ("address", "answer", "end"),
    [
        (
            "rtsp://a:geheim@127.0.0.1:{port}/s",
            silent,
            "accepts the connection, but sends nothing within 1 s; restart the camera",
        ),
        (
            "rtsp://127.0.0.1:{port}/geheim",
            slow,
            "accepts the connection, but sends nothing within 1 s; restart the camera",
        ),
        (
            "rtsp://127.0.0.1:{port}/geheim",
            says("RTSP/1.0 404 Not Found\r\n\r\n"),
            "has no stream at this path (404); correct the path in `source`",
        ),
        (
            "http://127.0.0.1:{port}/x?pwd=geheim",
            says("HTTP/1.1 403 Forbidden\r\n\r\n"),
            "does not allow this user (403); give the user the right to view, or another user in `source`",
        ),
        (
            "http://127.0.0.1:{port}/",
            says("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n\r\n"),
            "asks for a user and a password (401); add them to `source`",
        ),
        (
            "rtsp://a:geheim@127.0.0.1:{port}/s",
            says("RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Strange realm=x\r\n\r\n"),
            "refuses the user or the password (401); correct them in `source`",
        ),
        (
            "rtsp://127.0.0.1:{port}/s",
            says("RTSP/1.0 503 Service Unavailable\r\n\r\n"),
            "answers with the error 503; read the camera's own log",
        ),
        (
            "rtsp://127.0.0.1:{port}/s",
            says("SSH-2.0-OpenSSH\r\n\r\n"),
            "answers, but not in RTSP; check the scheme and the port",
        ),
        (
            "rtsp://127.0.0.1:{port}/s",
            says(OVERLONG),
            "answers, but sends no video that can be decoded; let it send H.264, H.265 or MJPEG",
        ),
        ("rtsp://127.0.0.1:{port}/s", says(""), "answers, but not in RTSP; check the scheme and the port"),
        (
            "https://127.0.0.1:{port}/s",
            says("HTTP/1.1 200 OK\r\n\r\n"),
            "does not speak TLS; check the port, or use http",
        ),
        (
            "rtsps://127.0.0.1:{port}/geheim",
            silent,
            "accepts the connection, but sends nothing within 1 s; restart the camera",
        ),
        (
            "rtmp://127.0.0.1:{port}/app/geheim",
            silent,
            "accepts the connection, but gives no stream; check the path and the key in `source`",
        ),
    ],
)
def test_each_answer_of_a_server_has_its_sentence(address: str, answer: Answer, end: str) -> None:
    with server(answer) as port:
        began = time.monotonic()
        assert why_no_stream(address.format(port=port), 1.0) == end
        assert time.monotonic() - began < 15.0, "as long as the time limit of OpenCV"


@pytest.mark.parametrize(
    ("address", "end"),
    [
        (
            "rtsp://a:geheim@127.0.0.1:{port}/s",
            "refuses the connection; check the port, and that the camera is on",
        ),
        (
            "rtsp://a:geheim@camera.invalid/s",
            "has a host name that is not known here; correct it, or give the IP address",
        ),
        ("http://" + "x" * 70 + ".invalid/s", "cannot be reached: its host name is malformed"),
        (
            "srt://127.0.0.1:9?passphrase=geheim",
            "gives no stream; check its address, and that this OpenCV was built with SRT",
        ),
    ],
)
def test_an_address_without_a_server_has_its_sentence(address: str, end: str) -> None:
    assert why_no_stream(address.format(port=free_port()), 1.0) == end


@pytest.mark.parametrize("offer", ["digest", "digest-sha", "digest-old", "basic"])
@pytest.mark.parametrize(("password", "right"), [("p%40ss", True), ("wrong", False)])
def test_a_right_password_is_told_from_a_wrong_one(offer: str, password: str, right: bool) -> None:
    with server(lambda connection: _guarded(connection, offer)) as port:
        end = why_no_stream(f"rtsp://viewer:{password}@127.0.0.1:{port}/s", 2.0)
    assert end.startswith("answers, but sends" if right else "refuses the user or the password (401)")


_OFFERS = {
    "basic": 'Basic realm="cam"',
    "digest": 'Digest realm="cam", nonce="n1", qop="auth"',
    "digest-sha": 'Digest realm="cam", nonce="n1", qop="auth", algorithm=SHA-256',
    "digest-old": 'Digest realm="cam", nonce="n1"',
}


def _guarded(connection: socket.socket, offer: str) -> None:
    """A server that knows the user `viewer` with the password `p@ss`."""
    request = connection.recv(4096).decode()
    given = re.search(r"^Authorization: (.*)$", request, re.MULTILINE)
    if given is not None and _is_right(given[1].strip(), request.split()[1], offer):
        connection.sendall(b"RTSP/1.0 200 OK\r\n\r\n")
    else:
        connection.sendall(f"RTSP/1.0 401 No\r\nWWW-Authenticate: {_OFFERS[offer]}\r\n\r\n".encode())


def _is_right(given: str, target: str, offer: str) -> bool:
    if offer == "basic":
        return given == f"Basic {base64.b64encode(b'viewer:p@ss').decode()}"
    values = dict(re.findall(r'(\w+)="?([^",]*)"?', given.removeprefix("Digest ")))
    hashed = hashlib.sha256 if offer == "digest-sha" else hashlib.md5
    account = hashed(b"viewer:cam:p@ss").hexdigest()
    request = hashed(f"DESCRIBE:{target}".encode()).hexdigest()
    middle = f"n1:00000001:{values['cnonce']}:auth" if "qop" in values else "n1"
    return values["response"] == hashed(f"{account}:{middle}:{request}".encode()).hexdigest()
