"""Keys and credential files of brokers: nkeys, and the user JWTs that gates and the cloud show the hub.

The only module that imports `nkeys`. Seeds come from the system's random source and are in files of mode
0600. A JWT is no secret: without the seed of its user it admits nobody.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nkeys
from pydantic import BaseModel, ConfigDict, Field

from messaging.errors import ConfigurationError, FileFault
from messaging.runtime.atomic_files import write_secret
from messaging.runtime.text_files import read_text

OPERATOR, ACCOUNT, USER = nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER
_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


@dataclass(frozen=True)
class KeyPair:
    """An nkey: the public key as NATS writes it, and the seed."""

    public: str
    seed: str

    def sign(self, data: bytes) -> bytes:
        """Ed25519 signature over the bytes."""
        return bytes(nkeys.from_seed(bytearray(self.seed.encode())).sign(data))


def new_key(prefix: int) -> KeyPair:
    """A fresh key pair from the system's random source."""
    return key_of(nkeys.encode_seed(secrets.token_bytes(32), prefix).decode())


def key_of(seed: str) -> KeyPair:
    """The pair of a seed. Raises `ConfigurationError` for a text that is not one."""
    if not seed:
        raise ConfigurationError("it is empty")
    try:
        return KeyPair(nkeys.from_seed(bytearray(seed.encode())).public_key.decode(), seed)
    except (nkeys.NkeysError, ValueError) as error:
        raise ConfigurationError(f"this is not an nkey seed ({type(error).__name__})") from None


def key_in_file(path: Path, prefix: int = USER) -> KeyPair:
    """The key pair of a seed file, made at first use (mode 0600).

    Raises `ConfigurationError` for a file that holds no seed: others may use the key that was in it.
    """
    if not path.exists():
        write_secret(path, new_key(prefix).seed.encode())
    return read_key(path)


def read_key(path: Path) -> KeyPair:
    """The key pair of a seed file that is there. Raises `ConfigurationError`, without the file's content."""
    try:
        return key_of(read_text(path).strip())
    except (FileFault, ConfigurationError) as error:
        raise ConfigurationError(
            f"seed file {path} is not usable ({error}); restore it from a backup or from a copy"
        ) from None


class _Permission(BaseModel):
    model_config = ConfigDict(frozen=True)
    allow: tuple[str, ...]


class _UserLimits(BaseModel):
    model_config = ConfigDict(frozen=True)
    pub: _Permission
    sub: _Permission


class UserClaims(BaseModel):
    """What a user JWT states: whose it is (`sub`: public key), its account (`iss`), times and subjects."""

    model_config = ConfigDict(frozen=True)

    name: str
    sub: str = Field(pattern=r"^U[A-Z2-7]{55}$")
    iss: str
    iat: int
    exp: int | None = None
    nats: _UserLimits

    @property
    def valid_until(self) -> str:
        """The last day on which the hub accepts it, as text."""
        return "for ever" if self.exp is None else f"until {datetime.fromtimestamp(self.exp, UTC):%Y-%m-%d}"

    def expired(self, now_utc: float) -> bool:
        """Whether the hub refuses it now because of its age."""
        return self.exp is not None and self.exp <= now_utc


@dataclass(frozen=True)
class Credentials:
    """A user's JWT and the seed of its key, as they are in one file."""

    token: str
    user: KeyPair

    @property
    def claims(self) -> UserClaims:
        """What the JWT states, unverified: the hub verifies it."""
        return claims_of(self.token)

    @property
    def key(self) -> str:
        """The public key of its user."""
        return self.user.public

    @property
    def issued_utc(self) -> float:
        """When the JWT was issued."""
        return self.claims.iat

    @property
    def valid_until(self) -> str:
        """The last day on which the hub accepts it, as text."""
        return self.claims.valid_until

    def renewed(self, token: bytes) -> "Credentials | None":
        """The same key with a newer JWT of the same account; None if `token` is no such JWT.

        Raises `ConfigurationError` for bytes that are no JWT.
        """
        try:
            text = token.decode("ascii")
        except UnicodeDecodeError:
            raise ConfigurationError("it has no user JWT") from None
        ours, claims = self.claims, claims_of(text)
        if claims.sub != self.key or claims.iss != ours.iss or claims.iat <= ours.iat:
            return None
        return Credentials(text, self.user)

    def to_bytes(self) -> bytes:
        """The file's content, as NATS clients read it."""
        return (
            f"-----BEGIN NATS USER JWT-----\n{self.token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.user.seed}\n------END USER NKEY SEED------\n"
        ).encode()


class Renewal(BaseModel):
    """What the hub sends a gate before its credentials end: no secret, all of it for keys that the gate has.

    `certificate` is PEM; a hub without TLS sends none.
    """

    model_config = ConfigDict(frozen=True)

    token: str
    certificate: str | None = None


def read_credentials(path: Path) -> Credentials:
    """The credentials in a file, as `blindspot sites add` writes it. Raises `ConfigurationError`."""
    try:
        lines = [line.strip() for line in read_text(path).splitlines()]
        token, seed = (lines[n + 1] for n, line in enumerate(lines) if "BEGIN" in line)
        found = Credentials(token, key_of(seed))
        if found.claims.sub == found.user.public:
            return found
        why = "its seed is not that of its user JWT"
    except (ValueError, IndexError):
        why = "it is empty, cut or another file"
    except (FileFault, ConfigurationError) as error:
        why = str(error)
    raise ConfigurationError(f"credentials file {path} is not usable ({why}); enrol the site again")


def claims_of(token: str) -> UserClaims:
    """What a user JWT states, unverified. Raises `ConfigurationError` for a text that is none."""
    try:
        part = token.split(".")[1]
        return UserClaims.model_validate_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        raise ConfigurationError("it has no user JWT") from None


def signed_jwt(claims: Mapping[str, Any], signer: KeyPair) -> str:
    """A NATS JWT (v2): header.claims.signature, `jti` being the hash of the claims."""
    whole = {**claims, "iss": signer.public}
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).digest()
    whole["jti"] = base64.b32encode(digest).decode().rstrip("=")
    text = f"{_part(_HEADER)}.{_part(whole)}"
    return f"{text}.{_base64(signer.sign(text.encode()))}"


def _part(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
