"""What a site signs with its own key, what the cloud signs for it, and how each verifies the other.

The site's key is made by its gate and never leaves it. It signs every report with its header, every
heartbeat, and checkpoints of the ledger, each for a purpose of its own. The cloud signs receipts with the
director's key, whose public half is in the site's trust file. Pure: keys and bytes in, bytes or errors out.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from messaging.errors import MessageRefused, TrustError
from messaging.receipts import (
    HEADER,
    LedgerPosition,
    Receipt,
    ReportHeader,
    base64_of,
    bytes_of,
    report_header,
)
from messaging.trust.keys import PublicKey, SigningKey

SITE_KEY_FILE = "site_key.pem"
_REPORT = b"blindspot report 1\n"
_HEARTBEAT = b"blindspot heartbeat 1\n"
_CHECKPOINT = b"blindspot ledger checkpoint 1\n"
_RECEIPT = b"blindspot receipt 1\n"
_SIGNATURE_BYTES = 64
_HASH_BYTES = 32
_NUMBER_BYTES = 8
Stated = TypeVar("Stated")
HEARTBEAT_PREFIX_BYTES = _SIGNATURE_BYTES + _NUMBER_BYTES + _HASH_BYTES
"""What precedes a heartbeat's message in its value."""


@dataclass(frozen=True)
class LedgerCheckpoint:
    """The head of a site's ledger: number, hash and time (seconds since 1970) of its last entry, signed.

    `key` is the site's public key, hex; `signature` is hex.
    """

    site: str
    n: int
    hash: str
    at_utc: int
    key: str
    signature: str = ""

    @property
    def position(self) -> LedgerPosition:
        """Number and hash of the entry."""
        return LedgerPosition(self.n, self.hash)

    @property
    def public_key(self) -> PublicKey:
        """The key that it names."""
        return PublicKey.from_hex(self.key)

    def to_bytes(self) -> bytes:
        """As it is stored and published."""
        return _canonical(asdict(self))

    def signed_bytes(self) -> bytes:
        """What the signature covers."""
        parts = asdict(self)
        del parts["signature"]
        return _CHECKPOINT + _canonical(parts)


@dataclass(frozen=True)
class SiteKey:
    """The key of one site."""

    site: str
    key: SigningKey

    @classmethod
    def read_or_make(cls, site: str, path: Path) -> "SiteKey":
        """The key in a file of mode 0600, made at first use. Raises `ConfigurationError`."""
        return cls(site, SigningKey.read_or_make(path))

    def headers(self, subject: str, header: ReportHeader, data: bytes) -> dict[str, str]:
        """The signed header of a report."""
        signature = bytes.fromhex(self.key.sign(_report_bytes(subject, header.text, data)))
        return {HEADER: f"{header.text} {base64_of(signature)}"}

    def heartbeat_value(self, position: LedgerPosition, data: bytes) -> bytes:
        """A heartbeat as it is published: signature, ledger entry, message."""
        stated = position.n.to_bytes(_NUMBER_BYTES, "big") + bytes.fromhex(position.hash) + data
        return bytes.fromhex(self.key.sign(_heartbeat_bytes(self.site, stated))) + stated

    def checkpoint(self, position: LedgerPosition, at_utc: int) -> LedgerCheckpoint:
        """The signed head of the ledger."""
        unsigned = LedgerCheckpoint(self.site, position.n, position.hash, at_utc, self.key.public.public_hex)
        return replace(unsigned, signature=self.key.sign(unsigned.signed_bytes()))


def verified_header(key: PublicKey, subject: str, headers: Mapping[str, str], data: bytes) -> ReportHeader:
    """The header of a report. Raises `TrustError` unless the key has signed it with exactly these bytes."""
    text, _, signature = headers.get(HEADER, "").rpartition(" ")
    if not text:
        raise TrustError("the report is not signed; only the site's gate can sign it")
    key.verify(_report_bytes(subject, text, data), bytes_of(signature).hex(), "the report")
    try:
        return report_header(text)
    except MessageRefused as error:
        raise TrustError(str(error)) from None


def verified_heartbeat(key: PublicKey, site: str, value: bytes) -> tuple[LedgerPosition, bytes]:
    """Ledger entry and message of a heartbeat's value. Raises `TrustError`."""
    signature, stated = value[:_SIGNATURE_BYTES], value[_SIGNATURE_BYTES:]
    key.verify(_heartbeat_bytes(site, stated), signature.hex(), "the heartbeat")
    n, digest = stated[:_NUMBER_BYTES], stated[_NUMBER_BYTES : _NUMBER_BYTES + _HASH_BYTES]
    return LedgerPosition(int.from_bytes(n, "big"), digest.hex()), value[HEARTBEAT_PREFIX_BYTES:]


def verified_checkpoint(data: bytes, site: str | None = None) -> LedgerCheckpoint:
    """A checkpoint (of this site) that the key it names has signed; whose key that is, is for the caller.

    Raises `TrustError`.
    """
    found = _read(_CHECKPOINTS, data, "checkpoint")
    if site is not None and found.site != site:
        raise TrustError(f"the checkpoint is of site {found.site[:40]!r}, not of {site}")
    try:
        found.public_key.verify(found.signed_bytes(), found.signature, f"the checkpoint of entry {found.n}")
    except ValueError:
        raise TrustError("the checkpoint names no key") from None
    return found


def signed_receipt(receipt: Receipt, director: SigningKey) -> bytes:
    """A receipt as it is written into the bucket RECEIPTS under the site's name."""
    stated = asdict(receipt)
    return _canonical({"receipt": stated, "signature": director.sign(_RECEIPT + _canonical(stated))})


def verified_receipt(data: bytes, director: PublicKey) -> Receipt:
    """A receipt that the director has signed. Raises `TrustError`."""
    found = _read(_SIGNED_RECEIPTS, data, "receipt")
    director.verify(_RECEIPT + _canonical(asdict(found.receipt)), found.signature, "the receipt")
    return found.receipt


@dataclass(frozen=True)
class _SignedReceipt:
    receipt: Receipt
    signature: str


_CHECKPOINTS = TypeAdapter(LedgerCheckpoint)
_SIGNED_RECEIPTS = TypeAdapter(_SignedReceipt)


def _read(adapter: TypeAdapter[Stated], data: bytes, what: str) -> Stated:
    try:
        return adapter.validate_json(data, strict=True)
    except ValidationError as error:
        raise TrustError(f"not a {what}: {error.errors()[0]['msg']}") from None


def _canonical(parts: Mapping[str, Any]) -> bytes:
    return json.dumps(parts, sort_keys=True, separators=(",", ":")).encode("ascii")


def _report_bytes(subject: str, text: str, data: bytes) -> bytes:
    return _REPORT + f"{subject}\n{text}\n".encode() + data


def _heartbeat_bytes(site: str, stated: bytes) -> bytes:
    return _HEARTBEAT + f"{site}\n".encode() + stated
