"""Ids as they leave the site: keyed hashes of the node's own, so that no node can write anything into them.

The same id of the node always leaves as the same id, also after a restart, so that a report that is sent
again is still recognised. The secret is derived from the site's key.
"""

import hashlib

from messaging.trust.site_signatures import SiteKey
from messaging.wire_format.column_encodings import ulid_text

_PURPOSE = b"blindspot ids 1\n"
_HASH_BYTES = 8


class SiteIds:
    """The ids of one site: ULIDs of which the first half is the site's and the second the hash."""

    def __init__(self, key: SiteKey) -> None:
        """Args: the site's key; its signature of a constant (Ed25519 is deterministic) is the secret."""
        self._secret = hashlib.sha256(bytes.fromhex(key.key.sign(_PURPOSE))).digest()
        self._base = self._hash(b"site", key.site.encode()) << 8 * _HASH_BYTES

    def outgoing(self, own: str) -> str:
        """The id under which a message or a hazard event of the node leaves."""
        return ulid_text(self._base | self._hash(b"id", own.encode()))

    def _hash(self, person: bytes, data: bytes) -> int:
        found = hashlib.blake2b(data, digest_size=_HASH_BYTES, key=self._secret, person=person)
        return int.from_bytes(found.digest(), "big")
