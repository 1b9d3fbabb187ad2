"""Messages on disk that no broker has taken yet: one file each, named by id so that they sort by birth.

A whole message is a `.json` file, written durably. One that gathers reports is a `.part` file from its
first report on, a line a report: it outlives a killed process, and the same file always makes the same
message.
"""

import base64
import contextlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from messaging.errors import MessageRefused
from messaging.nats.subjects import report_subject
from messaging.reports import Report
from messaging.runtime.atomic_files import make_folder, sync_folder, write_atomically
from messaging.runtime.os_errors import os_error_sentence
from messaging.wire_format.codec import PAYLOADS, Message, encode

logger = logging.getLogger(__name__)

_WHOLE, _GATHERING = ".json", ".part"


@dataclass(frozen=True)
class Waiting:
    """An encoded message on its way to the broker, and how many reports it holds."""

    id: str
    kind: str
    subject: str
    data: bytes
    reports: int = 1


class Spool:
    """A folder of waiting messages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._not_removed: set[str] = set()
        make_folder(folder, mode=0o700)

    def write(self, message: Waiting) -> None:
        """Keep a message, durably; keeping it twice, or one that is gathered here, is keeping it once."""
        path = self._path(message.id)
        if not path.exists() and not path.with_suffix(_GATHERING).exists():
            parts = {
                "kind": message.kind,
                "subject": message.subject,
                "data": base64.b64encode(message.data).decode("ascii"),
                "reports": message.reports,
            }
            write_atomically(path, json.dumps(parts).encode())

    def open_message(self, message_id: str, site: str, at_utc: int, kind: str) -> BinaryIO:
        """A file that gathers reports, a line of JSON each; `read` makes the message of it.

        Its name is on the disk; the caller syncs what it writes.
        """
        file = self._path(message_id).with_suffix(_GATHERING).open("wb")
        head = {"site": site, "at_utc": at_utc, "kind": kind}
        try:
            file.write(json.dumps(head).encode() + b"\n")
            sync_folder(self._folder)
        except BaseException:
            file.close()
            raise
        return file

    def remove(self, message_id: str) -> None:
        """The broker has it; delete it. A file that the disk does not remove now is removed with the next."""
        for one in (*self._not_removed, message_id):
            try:
                for suffix in (_WHOLE, _GATHERING):
                    self._path(one).with_suffix(suffix).unlink(missing_ok=True)
                self._not_removed.discard(one)
            except OSError as error:
                if not self._not_removed:
                    logger.warning("a sent message is still in the spool: %s", os_error_sentence(error))
                self._not_removed.add(one)

    def ids(self) -> list[str]:
        """What is kept, oldest first."""
        return sorted({path.stem for path in self._folder.iterdir() if path.suffix in (_WHOLE, _GATHERING)})

    def read(self, message_id: str) -> Waiting | None:
        """A kept message; None when there is none in the file, which is then set aside.

        A file that the disk does not give now stays for the next start.
        """
        path = self._path(message_id)
        if not path.exists():
            path = path.with_suffix(_GATHERING)
        try:
            return _whole(path) if path.suffix == _WHOLE else _gathered(path)
        except OSError as error:
            logger.error("a message stays in the spool until the next start: %s", os_error_sentence(error))
        except (ValueError, KeyError, TypeError, AttributeError, MessageRefused) as error:
            logger.error("%s is damaged (%s); set aside as .unreadable", path, error)
            with contextlib.suppress(OSError):
                path.rename(path.with_suffix(".unreadable"))
        return None

    def _path(self, message_id: str) -> Path:
        return self._folder / f"{message_id}{_WHOLE}"


def waiting_message(message: Message) -> Waiting:
    """A message as it waits. Raises `MessageRefused` over its cap."""
    subject = report_subject(message.site, message.kind, message.id)
    return Waiting(message.id, message.kind, subject, encode(message), len(message.reports))


def _whole(path: Path) -> Waiting:
    parts = json.loads(path.read_bytes())
    data = base64.b64decode(parts["data"])
    return Waiting(path.stem, parts["kind"], parts["subject"], data, int(parts["reports"]))


def _gathered(path: Path) -> Waiting:
    """What an earlier process gathered; a last line that was cut short was never whole."""
    text = path.read_bytes()
    head, *lines = text[: text.rfind(b"\n") + 1].splitlines() or [b""]
    parts = json.loads(head)
    model = PAYLOADS[parts["kind"]].model
    reports: list[Report] = []
    for line in lines:
        try:
            reports.append(model.model_validate_json(line))
        except ValidationError:
            lost = len(lines) - len(reports)
            logger.error("%s: %d of %d reports are damaged and lost", path, lost, len(lines))
            break
    if not reports:
        raise MessageRefused(f"{path.name} holds no whole report")
    return waiting_message(Message(path.stem, parts["site"], parts["at_utc"], reports[0], tuple(reports[1:])))
