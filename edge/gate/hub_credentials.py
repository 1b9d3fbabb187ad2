"""The gate's credentials for the hub: the configured file, and a copy in the data folder that is renewed.

They expire. The hub publishes a new JWT for the same key long before, and the gate puts it into its copy: the
configured file may be read-only. A configured file that an operator has replaced wins over the copy.
"""

import logging
from pathlib import Path

from messaging.errors import ConfigurationError
from messaging.nats.credentials import Credentials, claims_of, read_credentials
from messaging.runtime.atomic_files import write_secret

logger = logging.getLogger(__name__)

COPY = "hub.creds"


def in_use(configured: Path, copy: Path) -> Path:
    """The file that the gate uses: the copy if it is a renewal of the configured one.

    Raises `ConfigurationError` when the configured file is missing or damaged.
    """
    if not configured.is_file():
        raise ConfigurationError(f"{configured} is missing; the gate cannot connect to the hub")
    first, renewed = read_credentials(configured), _read(copy)
    is_renewal = renewed is not None and renewed.user == first.user and renewed.claims.iat >= first.claims.iat
    return copy if is_renewal else configured


class HubCredentials:
    """The copy at `path`, with which the gate connects."""

    def __init__(self, configured: Path, data_folder: Path) -> None:
        self._configured = configured
        self.path = data_folder / COPY

    def refresh(self) -> None:
        """Make the copy, or again from a configured file that is newer. Raises `ConfigurationError`."""
        chosen = in_use(self._configured, self.path)
        if chosen != self.path:
            write_secret(self.path, read_credentials(chosen).to_bytes())

    def take(self, renewal: bytes) -> bool:
        """Put a newer JWT of the same user into the copy; whether it was one. Raises `ConfigurationError`."""
        kept = read_credentials(self.path)
        try:
            token = renewal.decode("ascii")
            claims = claims_of(token)
        except (UnicodeDecodeError, ConfigurationError) as error:
            logger.warning("the renewed credentials from the hub cannot be read (%s)", error)
            return False
        if claims.sub != kept.user.public or claims.iss != kept.claims.iss or claims.iat <= kept.claims.iat:
            return False
        write_secret(self.path, Credentials(token, kept.user).to_bytes())
        logger.info("the credentials for the hub are renewed: valid %s", claims.valid_until)
        return True

    @property
    def valid_until(self) -> str:
        """The last day on which the hub accepts them, as text; empty while there are none."""
        found = _read(self.path)
        return "" if found is None else found.claims.valid_until


def _read(copy: Path) -> Credentials | None:
    try:
        return read_credentials(copy) if copy.exists() else None
    except ConfigurationError as error:
        logger.warning("%s; it is copied again", error)
        return None
