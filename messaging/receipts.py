"""Position of a message in its site's ledger, and the cloud's receipt for it.

The gate sends number and hash of the ledger entry as headers. Intake writes, per site, the highest number
that it has committed to its store into the bucket RECEIPTS; the site then deletes its copy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from messaging.errors import MessageRefused

LEDGER_NUMBER = "Blindspot-Ledger-N"
LEDGER_HASH = "Blindspot-Ledger-Hash"


@dataclass(frozen=True)
class LedgerPosition:
    """Number (from 1) and sha256 hex of a ledger entry. Also the content of a receipt."""

    n: int
    hash: str

    def headers(self) -> dict[str, str]:
        """Headers of the message of this entry."""
        return {LEDGER_NUMBER: str(self.n), LEDGER_HASH: self.hash}

    def to_bytes(self) -> bytes:
        """A receipt, as written into the bucket RECEIPTS under the site's name."""
        return json.dumps({"hash": self.hash, "n": self.n}, sort_keys=True).encode("ascii")


def position_in_headers(headers: Mapping[str, str]) -> LedgerPosition | None:
    """The ledger position that the sender states; None without such headers."""
    number = headers.get(LEDGER_NUMBER, "")
    if not (number.isascii() and number.isdigit() and len(number) < 16):
        return None
    return LedgerPosition(int(number), headers.get(LEDGER_HASH, "")[:64])


def receipt_of(data: bytes) -> LedgerPosition:
    """Read a receipt. Raises `MessageRefused` when it is not one."""
    try:
        parts = json.loads(data)
        return LedgerPosition(int(parts["n"]), str(parts["hash"]))
    except (ValueError, KeyError, TypeError) as error:
        raise MessageRefused(f"not a receipt ({type(error).__name__}): {data[:40]!r}") from None
