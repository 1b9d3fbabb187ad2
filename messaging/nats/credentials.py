"""Keys and credentials of brokers: nkeys, and operator, account and user JWTs minted here.

The only module that imports `nkeys`. Seeds come from the system's random source and are in files of mode
0600. The hub runs in operator mode: a site is enrolled by signing a user JWT with the account key, without
touching the hub's configuration; it is revoked by a list inside the account's JWT.
"""

import base64
import hashlib
import json
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nkeys

from messaging.errors import ConfigurationError, FileFault, StateFileBroken
from messaging.nats.permissions import EVERYTHING, Permissions, gate_at_hub
from messaging.runtime.atomic_files import write_secret
from messaging.runtime.state_files import StateFile
from messaging.runtime.text_files import read_bytes, read_text

_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
_NO_LIMIT = -1
_USER_KEY = re.compile(r"U[A-Z2-7]{55}")
logger = logging.getLogger(__name__)


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


def new_user_key() -> KeyPair:
    """A fresh user key pair."""
    return new_key(nkeys.PREFIX_BYTE_USER)


def key_of(seed: str) -> KeyPair:
    """The pair of a seed. Raises `ConfigurationError` for a text that is not one."""
    if not seed:
        raise ConfigurationError("it is empty")
    try:
        return KeyPair(nkeys.from_seed(bytearray(seed.encode())).public_key.decode(), seed)
    except (nkeys.NkeysError, ValueError) as error:
        raise ConfigurationError(f"this is not an nkey seed ({type(error).__name__})") from None


def key_in_file(path: Path, prefix: int = nkeys.PREFIX_BYTE_USER) -> KeyPair:
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


def check_credentials(path: Path) -> None:
    """Raise `ConfigurationError` unless the file holds a user JWT and a seed, as `enrol_site` writes it."""
    try:
        lines = [line.strip() for line in read_text(path).splitlines()]
        begins = [n for n, line in enumerate(lines) if "BEGIN" in line]
        token, seed = (lines[begin + 1] for begin in begins)
        if token.count(".") == 2:
            key_of(seed)
            return
        why = "it has no user JWT"
    except (ValueError, IndexError):
        why = "it is empty, cut or another file"
    except (FileFault, ConfigurationError) as error:
        why = str(error)
    raise ConfigurationError(f"credentials file {path} is not usable ({why}); enrol the site again")


def signed_jwt(claims: Mapping[str, Any], signer: KeyPair) -> str:
    """A NATS JWT (v2): header.claims.signature, `jti` being the hash of the claims."""
    whole = {**claims, "iss": signer.public}
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).digest()
    whole["jti"] = base64.b32encode(digest).decode().rstrip("=")
    text = f"{_part(_HEADER)}.{_part(whole)}"
    return f"{text}.{_base64(signer.sign(text.encode()))}"


class HubAuthority:
    """The hub's operator and account, and who may connect to it. State: a folder of seeds and a list."""

    def __init__(self, folder: Path, *, now_utc: int) -> None:
        self._folder = folder
        self._now_utc = now_utc
        self._operator = key_in_file(folder / "operator.seed", nkeys.PREFIX_BYTE_OPERATOR)
        self._account = key_in_file(folder / "account.seed", nkeys.PREFIX_BYTE_ACCOUNT)
        self._system = key_in_file(folder / "system.seed", nkeys.PREFIX_BYTE_ACCOUNT)

    def settings(self) -> str:
        """The part of the hub's configuration that names operator, accounts and revocations."""
        return (
            f"operator: {self._operator_jwt()}\n"
            f"system_account: {self._system.public}\n"
            "resolver: MEMORY\n"
            "resolver_preload: {\n"
            f"  {self._account.public}: {self._account_jwt()}\n"
            f"  {self._system.public}: {self._system_jwt()}\n"
            "}\n"
        )

    def enrol_cloud(self) -> Path:
        """Credentials with full rights on the account; the file is made once."""
        return self._enrol("cloud", EVERYTHING)

    def enrol_site(self, site: str) -> Path:
        """Credentials of a site's gate, with exactly its subjects; the file is made once."""
        return self._enrol(f"site-{site}", gate_at_hub(site))

    def revoke_site(self, site: str) -> None:
        """Revoke all credentials of a site; takes effect when the hub reloads its configuration."""
        issued = self._issued(f"site-{site}")
        revoked = {**self._revoked(), **dict.fromkeys(issued, self._now_utc)}
        write_secret(self._folder / "revoked.json", json.dumps(revoked, sort_keys=True).encode())
        self._path(f"site-{site}").unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.creds"

    def _enrol(self, name: str, permissions: Permissions) -> Path:
        path = self._path(name)
        if path.exists():
            try:
                if _permissions_of(path) == permissions:
                    return path
            except (FileFault, ValueError, KeyError, IndexError, TypeError):
                logger.warning("credentials %s are damaged; new ones are made, copy them to their user", path)
        user = new_user_key()
        token = signed_jwt(self._user_claims(name, user, permissions), self._account)
        write_secret(self._folder / f"{name}.keys", "\n".join([*self._issued(name), user.public]).encode())
        write_secret(path, _credentials_text(token, user.seed).encode())
        return path

    def _issued(self, name: str) -> list[str]:
        """Public keys of all credentials made under a name, also of those that were replaced."""
        path = self._folder / f"{name}.keys"
        keys = read_bytes(path).decode(errors="replace").split() if path.exists() else []
        if path.exists() and not all(_USER_KEY.fullmatch(key) for key in keys or [""]):
            raise StateFileBroken(
                f"{path} is empty or damaged, so that not all credentials of {name} could be revoked; "
                "restore it from a backup"
            )
        return keys

    def _revoked(self) -> dict[str, int]:
        """Revoked keys and since when. Raises `StateFileBroken`: a revocation is never forgotten."""
        path = self._folder / "revoked.json"
        remedy = "without it revoked sites could connect again; restore it from a backup"
        return StateFile(path, dict[str, int], remedy=remedy).read() or {}

    def _user_claims(self, name: str, user: KeyPair, permissions: Permissions) -> dict[str, Any]:
        return {
            "name": name,
            "sub": user.public,
            "iat": self._now_utc,
            "nats": {
                "type": "user",
                "version": 2,
                "pub": {"allow": list(permissions.publish)},
                "sub": {"allow": list(permissions.subscribe)},
                "subs": _NO_LIMIT,
                "data": _NO_LIMIT,
                "payload": _NO_LIMIT,
            },
        }

    def _operator_jwt(self) -> str:
        claims = {
            "name": "blindspot",
            "sub": self._operator.public,
            "iat": 0,
            "nats": {"type": "operator", "version": 2, "system_account": self._system.public},
        }
        return signed_jwt(claims, self._operator)

    def _account_jwt(self) -> str:
        storage = ("mem_storage", "disk_storage", "streams", "consumer")
        nats = {"limits": _open_limits(dict.fromkeys(storage, _NO_LIMIT)), "revocations": self._revoked()}
        return self._signed_account("fleet", self._account, nats)

    def _system_jwt(self) -> str:
        return self._signed_account("system", self._system, {"limits": _open_limits({})})

    def _signed_account(self, name: str, account: KeyPair, nats: dict[str, Any]) -> str:
        claims = {
            "name": name,
            "sub": account.public,
            "iat": self._now_utc,
            "nats": {"type": "account", "version": 2, **nats},
        }
        return signed_jwt(claims, self._operator)


def _open_limits(storage: Mapping[str, int]) -> dict[str, Any]:
    names = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
    return {**dict.fromkeys(names, _NO_LIMIT), "wildcards": True, **storage}


def _credentials_text(token: str, seed: str) -> str:
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )


def _claims_in(path: Path) -> dict[str, Any]:
    part = read_text(path).splitlines()[1].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _permissions_of(path: Path) -> Permissions:
    nats = _claims_in(path)["nats"]
    return Permissions(tuple(nats["pub"]["allow"]), tuple(nats["sub"]["allow"]))


def _part(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
