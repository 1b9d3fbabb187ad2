"""Messages that may not leave: a few are kept in a folder of the site, for a person to inspect."""

import logging
from pathlib import Path

from messaging.blobs import digest_of
from messaging.runtime.atomic_files import write_atomically

logger = logging.getLogger(__name__)

MOST_FILES = 200


class Quarantine:
    """The folder; each message is a file named by its digest, beside it the reason."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, data: bytes, reason: str) -> None:
        """Log the refusal, and keep the message while there is room. Raises `OSError`."""
        path = self._folder / f"{digest_of(data)[:32]}.bin"
        kept = sum(1 for _ in self._folder.glob("*.bin")) if self._folder.exists() else 0
        if kept < MOST_FILES and not path.exists():
            write_atomically(path, data)
            write_atomically(path.with_suffix(".reason"), reason.encode())
        logger.warning("refused a message of %d bytes: %s", len(data), reason)
