"""Messages on disk that no broker has taken yet: one file each, named by id so that they sort by birth."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from messaging.blobs import write_atomically

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Waiting:
    """An encoded report on its way to the broker."""

    id: str
    kind: str
    subject: str
    data: bytes


class Spool:
    """A folder of waiting messages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def write(self, message: Waiting) -> None:
        """Keep a message, durably; keeping it twice is keeping it once."""
        path = self._path(message.id)
        if not path.exists():
            parts = {"kind": message.kind, "subject": message.subject, "data": message.data.decode("ascii")}
            write_atomically(path, json.dumps(parts).encode())

    def remove(self, message_id: str) -> None:
        """The broker has it; forget it."""
        self._path(message_id).unlink(missing_ok=True)

    def ids(self) -> list[str]:
        """What is kept, oldest first."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def read(self, message_id: str) -> Waiting | None:
        """A kept message; None (and the file set aside) when it cannot be read."""
        path = self._path(message_id)
        try:
            parts = json.loads(path.read_bytes())
            return Waiting(message_id, parts["kind"], parts["subject"], parts["data"].encode("ascii"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("%s cannot be read (%s); set aside", path, error)
            if path.exists():
                path.rename(path.with_suffix(".unreadable"))
            return None

    def _path(self, message_id: str) -> Path:
        return self._folder / f"{message_id}.json"
