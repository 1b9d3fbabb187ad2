"""Root metadata: which keys may sign what. A next version is proposed, signed key by key, and accepted; pure.

The file of a proposal is TUF root metadata whose signatures are not complete. It is carried to the machines
that hold root keys and back; it holds no secret. Version N + 1 counts only with enough signatures of the root
keys of version N and of its own, which is also what a site checks when it follows the chain of roots.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tuf.api.metadata import Metadata, Root
from tuf.api.serialization import DeserializationError

from messaging.errors import ConfigurationError
from messaging.trust.keys import PublicKey, SigningKey

MAX_ROOT_KEYS = 16


def propose_root(
    current: bytes,
    *,
    expires_at_utc: int,
    root_keys: Sequence[PublicKey] = (),
    threshold: int = 0,
    role_keys: Mapping[str, PublicKey] | None = None,
) -> bytes:
    """The next version of root metadata without signatures.

    Args:
        current: the root metadata that holds.
        expires_at_utc: its end, seconds since 1970.
        root_keys: the root keys from then on; none given keeps the present ones.
        threshold: how many of them must sign; only with `root_keys`.
        role_keys: new keys of other roles.

    Raises:
        ConfigurationError: the threshold does not fit the keys.
    """
    root = read_root(current, "root metadata").signed
    root.version += 1
    root.expires = datetime.fromtimestamp(expires_at_utc, UTC)
    if root_keys:
        number = len({key.key_id for key in root_keys})
        if not 1 <= threshold <= number or number != len(root_keys) or number > MAX_ROOT_KEYS:
            raise ConfigurationError(
                f"{threshold} of {number} distinct root keys cannot sign; give 1 to {MAX_ROOT_KEYS} keys, "
                "each once, and a threshold up to their number"
            )
        _replace(root, "root", root_keys)
        root.roles["root"].threshold = threshold
    for role, key in (role_keys or {}).items():
        _replace(root, role, [key])
    return Metadata(root).to_bytes()


def sign_root(proposal: bytes, key: SigningKey) -> bytes:
    """The proposal with one more signature. Raises `ConfigurationError` for a file of another kind."""
    metadata = read_root(proposal, "the proposal")
    metadata.sign(key.signer, append=True)
    return metadata.to_bytes()


def check_root(current: bytes, proposal: bytes) -> Root:
    """The root metadata of a proposal that is complete and follows the current one.

    Raises `ConfigurationError` when it is of another version, or which signatures are missing.
    """
    before, metadata = read_root(current, "root metadata").signed, read_root(proposal, "the proposal")
    after = metadata.signed
    if after.version != before.version + 1:
        raise ConfigurationError(
            f"the proposal is version {after.version} of the root, and version {before.version + 1} is next; "
            "propose it again"
        )
    result = after.get_root_verification_result(before, metadata.signed_bytes, metadata.signatures)
    for what, part in ((f"version {before.version}", result.first), ("the proposal itself", result.second)):
        if not part.verified:
            raise ConfigurationError(
                f"{part.missing} more signatures of the root keys of {what} are needed (any of "
                f"{', '.join(sorted(short(key) for key in part.unsigned))}); sign it with "
                "`blindspot keys root sign`"
            )
    return after


def described_root(data: bytes) -> str:
    """One line for the person who signs: version, expiry, keys by role, signatures so far."""
    metadata = read_root(data, "the proposal")
    root = metadata.signed
    roles = "; ".join(
        f"{name} {role.threshold} of {', '.join(short(key) for key in sorted(role.keyids))}"
        for name, role in sorted(root.roles.items())
    )
    signed = ", ".join(sorted(short(key) for key in metadata.signatures)) or "nobody"
    return f"root version {root.version}, until {root.expires:%Y-%m-%d}: {roles}; signed by {signed}"


def read_root(data: bytes, what: str) -> Metadata[Root]:
    """Parse root metadata. Raises `ConfigurationError`, naming `what`."""
    try:
        metadata = Metadata[Root].from_bytes(data)
    except DeserializationError:
        metadata = None
    if metadata is None or not isinstance(metadata.signed, Root):
        raise ConfigurationError(f"{what} is not root metadata; `blindspot keys root propose` writes it")
    return metadata


def short(key_id: str) -> str:
    """A key's id as people compare it."""
    return key_id[:12]


def _replace(root: Root, role: str, keys: Sequence[PublicKey]) -> None:
    for key_id in list(root.roles[role].keyids):
        root.revoke_key(key_id, role)
    for key in keys:
        root.add_key(key.tuf_key, role)
