"""What becomes of a broker's streams after its files were damaged: nothing that is new may be passed over.

A nats-server that finds a damaged block at its start keeps the messages before the damage and gives the
numbers of the lost ones to new messages. A consumer that was beyond them would never see those, and whoever
counts by numbers would take them for known. So such a stream is reset: its consumers are made again, and it
gets another identity; what is delivered twice is recognised by its id. A consumer whose own file is damaged
can be neither used nor made: its folder is set aside while the server is stopped.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_BROKEN_CONSUMER = re.compile(rb"onsumer[^\n']*'([\w$-]+) > ([\w-]+) > ([\w-]+)': [^\n]*corrupt state file")
_KEPT = 100
_MOST_LISTED = 10_000
Ask = Callable[[str, Mapping[str, Any] | None], Awaitable[dict[str, Any]]]
"""One request to the JetStream API: method and body."""


def set_aside_consumers(folder: Path, log: bytes) -> list[str]:
    """Move the state of consumers that the server's log reports as damaged to `damaged/`; their names.

    The server must be stopped. Raises `OSError`.
    """
    moved = []
    for account, stream, consumer in sorted(set(_BROKEN_CONSUMER.findall(log))):
        parts = [part.decode() for part in (account, stream, consumer)]
        path = folder / "store" / "jetstream" / parts[0] / "streams" / parts[1] / "obs" / parts[2]
        if path.is_dir():
            path.rename(_free_name(folder / "damaged", f"{parts[1]}.{parts[2]}"))
            moved.append(f"{parts[2]} of {parts[1]}")
    return moved


def has_broken_consumers(log: bytes) -> bool:
    """Whether the server's log states that it cannot read the state of a consumer."""
    return _BROKEN_CONSUMER.search(log) is not None


def _free_name(folder: Path, name: str) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    free = (folder / f"{name}.{n}" for n in range(_KEPT))
    return next((path for path in free if not path.exists()), folder / f"{name}.{_KEPT}")


async def has_lost_messages(ask: Ask, info: Mapping[str, Any], server: str) -> bool:
    """Whether the server lost messages of a stream at its start, and the stream was not reset since.

    `info` is the server's description of the stream, `server` the id of this run of the server. False for a
    stream of which very many messages were deleted, as each of them would be listed. Raises `WireError`.
    """
    config, state = info["config"], info["state"]
    if config.get("description", "") == server or state.get("num_deleted", 0) > _MOST_LISTED:
        return False
    listed = await ask(f"STREAM.INFO.{config['name']}", {"deleted_details": True})
    return bool(listed["state"].get("lost"))


async def reset_stream(ask: Ask, info: Mapping[str, Any], server: str) -> None:
    """Delete all consumers of a damaged stream and give it another identity. Raises `WireError`."""
    name, state = str(info["config"]["name"]), info["state"]
    listed = await ask(f"CONSUMER.NAMES.{name}", None)
    for consumer in listed.get("consumers") or ():
        await ask(f"CONSUMER.DELETE.{name}.{consumer}", None)
    await ask(f"STREAM.UPDATE.{name}", {**info["config"], "description": server})
    logger.warning(
        "stream %s was damaged on the disk of its broker and is read again from its first message; "
        "it has %d messages up to number %d",
        *(name, state["messages"], state["last_seq"]),
    )
