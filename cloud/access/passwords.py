"""Passwords as Argon2id hashes (pwdlib, RFC 9106). The only module that hashes or compares one."""

from functools import cache

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

_HASHER = PasswordHash((Argon2Hasher(),))


def hashed(password: str) -> str:
    """The hash of a password, with its own salt and parameters."""
    return _HASHER.hash(password)


def holds(password: str, password_hash: str) -> bool:
    """Whether a password has this hash. Takes as long for a user who is not known or has none."""
    try:
        return _HASHER.verify(password, password_hash or _nobody()) and bool(password_hash)
    except UnknownHashError:
        return False


@cache
def _nobody() -> str:
    return hashed("nobody has this password")
