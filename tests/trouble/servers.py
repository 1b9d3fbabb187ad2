"""Cameras on loopback: HTTP streams of JPEG images, and servers that are silent or refuse the password."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.trouble.parts import encoded, street

BOUNDARY = b"frame"
Images = Callable[[int], bytes]


class StreamServer:
    """An MJPEG camera: `fps` images a second; closes each connection after `frames_per_connection`."""

    def __init__(self, images: Images, *, fps: float, frames_per_connection: int | None = None) -> None:
        self.sent = 0
        self._images, self._pause_s = images, 1.0 / fps
        self._limit = frames_per_connection
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, format: str, *arguments: object) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the stream."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/stream"

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}")
        handler.end_headers()
        due = time.monotonic()
        with contextlib.suppress(OSError):
            for number in itertools.count() if self._limit is None else range(self._limit):
                data = self._images(number)
                head = b"--%b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                handler.wfile.write(head % (BOUNDARY, len(data)) + data + b"\r\n")
                handler.wfile.flush()
                self.sent += 1
                due += self._pause_s
                time.sleep(max(0.0, due - time.monotonic()))


def moving(count: int = 20, *, width: int = 640, height: int = 360) -> Images:
    """Images of a street with noise of its own each, over and over."""
    cycle = [encoded(street(width, height, seed=seed)) for seed in range(count)]
    return lambda number: cycle[number % count]


def changing_size(every: int = 50) -> Images:
    """Images of two sizes, each for some frames."""
    large, small = moving(10), moving(10, width=320, height=180)
    return lambda number: (large if number // every % 2 == 0 else small)(number)


def frozen() -> Images:
    """One image for ever."""
    data = encoded(street(seed=5))
    return lambda number: data


@contextlib.contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """A TCP server that accepts and answers every request with these bytes, or never (None); its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                held.append(connection)
                del held[:-50]
                if answer is not None:
                    threading.Thread(target=_converse, args=(connection, answer), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()
        for connection in held:
            connection.close()


def _converse(connection: socket.socket, answer: bytes) -> None:
    """Answer each RTSP request with its own CSeq."""
    with contextlib.suppress(OSError), connection:
        while request := connection.recv(4096):
            lines = request.split(b"\r\n")
            sequence = next((line for line in lines if line.lower().startswith(b"cseq")), b"")
            connection.sendall(answer.replace(b"CSEQ", sequence))


RTSP_REFUSES = b'RTSP/1.0 401 Unauthorized\r\nCSEQ\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n'
