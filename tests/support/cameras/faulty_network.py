"""A network between camera and reader that flips bytes, loses them, slows down or is cut: a TCP proxy."""

import contextlib
import random
import socket
import threading
from collections.abc import Iterator

_CHUNK = 2048


class FaultyNetwork:
    """Forwards connections of one port to another; faults concern what the camera sends.

    Attributes:
        flips, losses: probability that in a piece of at most 2 KiB one byte is flipped, or 100 are lost.
        pause_s: seconds that each piece waits.
    """

    def __init__(self, camera_port: int) -> None:
        self.flips = self.losses = self.pause_s = 0.0
        self._camera_port = camera_port
        self._random = random.Random(1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._stop = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where the reader connects."""
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """Close all connections."""
        connections, self._connections = self._connections, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def close(self) -> None:
        """Close everything."""
        self._stop.set()
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                reader, _ = self._listener.accept()
                camera = socket.create_connection(("127.0.0.1", self._camera_port), 5.0)
                camera.settimeout(None)
                self._connections += [reader, camera]
                for source, target, faulty in ((camera, reader, True), (reader, camera, False)):
                    threading.Thread(target=self._copy, args=(source, target, faulty), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, faulty: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_CHUNK):
                target.sendall(self._spoilt(bytearray(piece)) if faulty else piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _spoilt(self, piece: bytearray) -> bytearray:
        if self._random.random() < self.flips:
            piece[self._random.randrange(len(piece))] ^= 0x55
        if self._random.random() < self.losses:
            begin = self._random.randrange(len(piece))
            del piece[begin : begin + 100]
        if self.pause_s:
            self._stop.wait(self.pause_s)
        return piece


@contextlib.contextmanager
def faulty_network(camera_port: int) -> Iterator[FaultyNetwork]:
    """A network to a camera, closed at the end."""
    network = FaultyNetwork(camera_port)
    try:
        yield network
    finally:
        network.close()
