"""The gate's status as a file of the site, for `blindspot-edge doctor` and for a person."""

import json
import logging
import time

from edge.gate.ledger import Ledger
from edge.gate.settings import STATUS_FILE, GateSettings
from edge.gate.transport import Unlisted
from messaging.errors import FileFault
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.os_errors import disk_is_full
from messaging.runtime.text_files import read_json

logger = logging.getLogger(__name__)

UNLISTED = "unlisted"
LOST = "lost_at_site"
_STATUS_STEP = 8192  # bytes: the status keeps its length, so that a full disk takes it


def ledger_status(ledger: Ledger) -> dict[str, object]:
    """The ledger's last entry, and what it has of each kind."""
    totals = ledger.by_kind
    return {
        "ledger_n": ledger.head.n,
        "ledger_hash": ledger.head.hash,
        "messages_by_kind": {kind: total.count for kind, total in totals.items()},
        "bytes_by_kind": {kind: total.bytes for kind, total in totals.items()},
    }


def unlisted_before(settings: GateSettings) -> Unlisted | None:
    """The bytes that an earlier gate had not entered in the ledger, by its last status; None without one."""
    path = settings.data_folder / STATUS_FILE
    try:
        found = read_json(path).get(UNLISTED) if path.exists() else None
        return None if found is None else Unlisted.model_validate(found)
    except (FileFault, OSError, AttributeError, ValueError) as fault:
        logger.warning("%s is damaged, so bytes that no ledger entry has yet are lost: %s", path, fault)
        return None


def write_status(settings: GateSettings, status: dict[str, object]) -> None:
    """Replace the status; on a full disk write it in place, into the room that it has. Raises `OSError`."""
    path, whole = settings.data_folder / STATUS_FILE, {"site": settings.site, "at_utc": time.time(), **status}
    text = json.dumps(whole, sort_keys=True, indent=1).encode("ascii")
    data = text.ljust(-(-len(text) // _STATUS_STEP) * _STATUS_STEP)
    try:
        write_atomically(path, data)
    except OSError as error:
        if not disk_is_full(error) or not path.exists() or path.stat().st_size < len(data):
            raise
        with path.open("r+b") as file:
            file.write(data.ljust(path.stat().st_size))
