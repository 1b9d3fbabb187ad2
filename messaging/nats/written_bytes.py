"""How many bytes a program writes to a broker, by what they are for.

Counted are the commands of the NATS protocol as they are handed to the socket: reports with their subjects,
headers and control line, what reads ask, subscriptions, pings, and the credentials at each connection. TLS
adds to them what it adds. What a lost connection did not deliver is counted as well, and again when it is
sent again.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from messaging.nats.subjects import (
    CHECKPOINTS,
    HEARTBEATS,
    MODELS_BUCKET,
    ORDERS,
    RECEIPTS,
    RENEWALS,
    REQUESTS,
    TUF_BUCKET,
)
from messaging.wire_format.codec import PAYLOADS

OTHER = "other"
_DAY_S = 86_400
_VALUES = {HEARTBEATS: "heartbeat", CHECKPOINTS: "checkpoint"}
_READ = {
    **{
        f"KV_{bucket}": f"read_{bucket.lower()}"
        for bucket in (HEARTBEATS, ORDERS, RECEIPTS, RENEWALS, REQUESTS)
    },
    **{f"OBJ_{bucket}": f"read_{bucket}" for bucket in (MODELS_BUCKET, TUF_BUCKET)},
}
_OPERATIONS = {
    **{b"CONNECT": "connect", b"PING": "ping", b"PONG": "ping"},
    **{b"SUB": "subscribe", b"UNSUB": "subscribe"},
}


def kind_of(command: bytes) -> str:
    """What one command of the NATS protocol is for; reports and heartbeats have their payload's kind."""
    operation, _, rest = command[:512].strip().partition(b" ")
    if operation not in (b"PUB", b"HPUB"):
        return _OPERATIONS.get(operation, OTHER)
    parts = rest.split(b" ", 1)[0].decode(errors="replace").split(".")
    if parts[0] == "site" and len(parts) == 5:
        return parts[3] if parts[3] in PAYLOADS else OTHER
    if parts[0] == "$KV" and len(parts) > 1:
        return _VALUES.get(parts[1], OTHER)
    return _READ.get(parts[4], OTHER) if parts[:4] == ["$JS", "API", "DIRECT", "GET"] else OTHER


class WrittenBytes:
    """The bytes since this began, and those of the present day in UTC, by kind. For one thread."""

    def __init__(self, now_utc: Callable[[], float] = time.time) -> None:
        self._now_utc = now_utc
        self._day, self._today = 0, Counter[str]()
        self.by_kind: Counter[str] = Counter()

    @property
    def today(self) -> Mapping[str, int]:
        """The bytes of the present day by kind, from the beginning of this count on."""
        return dict(self._of_today())

    def add(self, command: bytes) -> None:
        """Count one command."""
        for counter in (self.by_kind, self._of_today()):
            counter[kind_of(command)] += len(command)

    def _of_today(self) -> Counter[str]:
        day = int(self._now_utc()) // _DAY_S
        if day != self._day:
            self._day, self._today = day, Counter()
        return self._today

    def count_writes_of(self, transport: Any) -> None:
        """Count what is written on a transport of nats-py from now on."""
        write, write_lines = transport.write, transport.writelines

        def counted(command: bytes) -> None:
            self.add(command)
            write(command)

        def counted_lines(commands: Iterable[bytes]) -> None:
            commands = list(commands)
            for command in commands:
                self.add(command)
            write_lines(commands)

        transport.write, transport.writelines = counted, counted_lines
