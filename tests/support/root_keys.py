"""A root of 2 of 3 keys that are kept elsewhere, as `deploy/keys/ceremony.sh` makes it."""

from collections.abc import Sequence
from pathlib import Path

from messaging.trust.keys import SigningKey
from messaging.trust.root_metadata import sign_root
from messaging.trust.signing import Repository


def move_root_keys(repository: Repository, media: Path) -> list[SigningKey]:
    """Make three root keys in folders of their own and put them in place of the one in the repository."""
    keys = [SigningKey.read_or_make(media / name / "root.pem") for name in ("a", "b", "c")]
    proposal = repository.propose_root(root_keys=[key.public for key in keys], threshold=2)
    repository.accept_root(signed(proposal, keys[:2]))
    return keys


def rotate_with(repository: Repository, role: str, keys: Sequence[SigningKey]) -> None:
    """Give a role a new key by a root that these root keys sign."""
    repository.accept_root(signed(repository.propose_root(rotate=[role]), keys))


def signed(proposal: bytes, keys: Sequence[SigningKey]) -> bytes:
    """A proposal with the signatures of these keys."""
    for key in keys:
        proposal = sign_root(proposal, key)
    return proposal
