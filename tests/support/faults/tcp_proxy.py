"""A TCP proxy with the faults of a bad network: delay, resets, throttling, and connections that go silent.

Runs in a thread of its own, so that it serves programs and tests alike. Faults may be changed at any time.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_PIECE = 4096
_PIECES_UNDERWAY = 64


@dataclass
class TcpFaults:
    """What happens to each piece of at most 4 KiB that passes, either way.

    Attributes:
        delay_s, jitter_s: it arrives after `delay_s`, plus or minus up to `jitter_s`; the order is kept.
        resets: probability that its connection is reset instead.
        bytes_per_s: of each connection and direction; None for no limit.
        silent: it vanishes, and its connection carries nothing any more, but stays open (half-open).
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    resets: float = 0.0
    bytes_per_s: float | None = None
    silent: bool = False


@dataclass
class _Connection:
    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    silent: bool = False

    def reset(self) -> None:
        """End both halves with RST."""
        for writer in self.writers:
            with contextlib.suppress(OSError):
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


@dataclass
class TcpProxy:
    """Forwards connections of `port` to `target` and counts the bytes that it has passed on to each side."""

    target: int
    random: random.Random
    faults: TcpFaults = field(default_factory=TcpFaults)
    port: int = 0
    connections: int = 0
    resets: int = 0
    to_client_bytes: int = 0
    to_server_bytes: int = 0
    _open: list[_Connection] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(init=False)

    def cut(self) -> None:
        """Reset all connections that are open. From any thread."""

        def reset() -> None:
            for one in self._open:
                one.reset()

        self._loop.call_soon_threadsafe(reset)

    async def serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        """Serve until `stop`; `port` is set when `started` is."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()
        for one in self._open:
            one.reset()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        one = _Connection((writer, server_writer))
        self.connections += 1
        self._open.append(one)
        ways = (reader, server_writer, False), (server_reader, writer, True)
        await asyncio.gather(*(self._forward(one, *way) for way in ways), return_exceptions=True)
        self._open.remove(one)
        for end in one.writers:
            end.transport.abort()

    async def _forward(
        self, one: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter, to_client: bool
    ) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_PIECES_UNDERWAY)
        delivering = asyncio.create_task(self._deliver(one, queue, sink, to_client))
        due_s = 0.0
        with contextlib.suppress(OSError):
            while piece := await source.read(_PIECE):
                one.silent |= self.faults.silent
                if one.silent:
                    continue
                if self.random.random() < self.faults.resets:
                    self.resets += 1
                    break
                delay_s = self.faults.delay_s + self.faults.jitter_s * self.random.uniform(-1, 1)
                due_s = max(due_s, self._loop.time() + delay_s)
                await queue.put((due_s, piece))
            else:
                await queue.join()
        if not one.silent:
            one.reset()
        delivering.cancel()

    async def _deliver(
        self,
        one: _Connection,
        queue: asyncio.Queue[tuple[float, bytes]],
        sink: asyncio.StreamWriter,
        to_client: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                due_s, piece = await queue.get()
                await asyncio.sleep(max(0.0, due_s - self._loop.time()))
                if self.faults.bytes_per_s is not None:
                    await asyncio.sleep(len(piece) / self.faults.bytes_per_s)
                if not one.silent:
                    sink.write(piece)
                    self.to_client_bytes += len(piece) * to_client
                    self.to_server_bytes += len(piece) * (not to_client)
                    await sink.drain()
                queue.task_done()


@contextlib.contextmanager
def tcp_proxy(target: int, *, seed: int = 1) -> Iterator[TcpProxy]:
    """A proxy to a port of the loopback, closed at the end."""
    proxy, started, stops = TcpProxy(target, random.Random(seed)), threading.Event(), list[asyncio.Event]()

    async def run() -> None:
        stops.append(asyncio.Event())
        await proxy.serve(started, stops[0])

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="proxy")
    thread.start()
    try:
        assert started.wait(10)
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(stops[0].set)
        thread.join(10)
