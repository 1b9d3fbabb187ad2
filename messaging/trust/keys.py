"""Ed25519 keys: made, stored with mode 0600, used to sign and verify. Only user of securesystemslib.

A key's id is the digest of its public part. Keys come from the system's random source. The
caller puts a purpose in front of the signed bytes, so that a signature for
one purpose is worth nothing for another.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Key, Signature, SSlibKey

from messaging.errors import ConfigurationError, TrustError
from messaging.runtime.atomic_files import write_secret
from messaging.runtime.os_errors import os_error_sentence


@dataclass(frozen=True)
class PublicKey:
    """The public half of a signing key: 32 bytes of Ed25519 as hex, and its id."""

    key_id: str
    public_hex: str

    @classmethod
    def from_hex(cls, public_hex: str) -> "PublicKey":
        """The key of 32 bytes as hex. Raises `ValueError` for another text."""
        key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_hex)))
        return cls(key.keyid, public_hex)

    def verify(self, data: bytes, signature_hex: str, what: str) -> None:
        """Raise `TrustError` naming `what` unless the signature on exactly these bytes is this key's."""
        try:
            self.tuf_key.verify_signature(Signature(self.key_id, signature_hex), data)
        except (UnverifiedSignatureError, ValueError):
            raise TrustError(
                f"{what} is not signed by key {self.key_id[:12]}; it was forged or changed"
            ) from None

    def to_bytes(self) -> bytes:
        """The file in which a public key travels."""
        return json.dumps({"public_hex": self.public_hex}).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes, what: str) -> "PublicKey":
        """Read such a file; the id is computed. Raises `ConfigurationError` naming `what`."""
        try:
            raw = Ed25519PublicKey.from_public_bytes(bytes.fromhex(json.loads(data)["public_hex"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ConfigurationError(
                f"{what} is not a public key; `blindspot keys root make` writes it"
            ) from None
        key = SSlibKey.from_crypto(raw)
        return cls(key.keyid, str(key.keyval["public"]))

    @property
    def tuf_key(self) -> Key:
        """The key as TUF metadata holds it."""
        return SSlibKey(self.key_id, "ed25519", "ed25519", {"public": self.public_hex})


@dataclass(frozen=True)
class SigningKey:
    """A private key and what it signs with; never printed, never sent."""

    signer: CryptoSigner

    @classmethod
    def read_or_make(cls, path: Path) -> "SigningKey":
        """Read a key file, or make a key and write it with mode 0600 where there is none.

        Raises `ConfigurationError` when the file is not a key or others may read it.
        """
        if not path.exists():
            write_secret(path, CryptoSigner.generate_ed25519().private_bytes)
        return cls.read(path)

    @classmethod
    def read(cls, path: Path) -> "SigningKey":
        """Read a key file. Raises `ConfigurationError` when it is not a key or others may read it."""
        try:
            if path.stat().st_mode & 0o077:
                raise ConfigurationError(f"key {path} may be read by others; run `chmod 600` on it")
            key = load_pem_private_key(path.read_bytes(), None)
        except OSError as error:
            raise ConfigurationError(f"key {os_error_sentence(error)}; restore it from a backup") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigurationError(f"{path} is not a usable Ed25519 key; restore it from a backup")
        return cls(CryptoSigner(key))

    @property
    def public(self) -> PublicKey:
        """The half that may be shown."""
        key = self.signer.public_key
        return PublicKey(key.keyid, str(key.keyval["public"]))

    def sign(self, data: bytes) -> str:
        """Signature on exactly these bytes, hex."""
        return self.signer.sign(data).signature

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id[:12]})"
