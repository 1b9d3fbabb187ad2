"""What the gate shows the hub: its credentials and its certificate, each with a copy that is renewed.

They expire. The hub publishes new ones for the same keys long before, and the gate puts them into its copies
in the data folder: the configured files may be read-only. A configured file that an operator has replaced
wins over the copy.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from pydantic import ValidationError

from edge.gate.settings import GateSettings
from messaging.bus import Link
from messaging.errors import ConfigurationError
from messaging.nats.credentials import Renewal, read_credentials
from messaging.runtime.atomic_files import write_secret
from messaging.tls.certificates import read_keyed

logger = logging.getLogger(__name__)

CREDENTIALS_COPY, CERTIFICATE_COPY = "hub.creds", "hub.pem"


class Renewable(Protocol):
    """What is renewed for the same key."""

    @property
    def key(self) -> str:
        """The public key."""

    @property
    def issued_utc(self) -> float:
        """When it was issued."""

    @property
    def valid_until(self) -> str:
        """The last day on which it is accepted, as text."""

    def renewed(self, newer: bytes) -> Self | None:
        """The same with newer public text; None if that is not newer or of another key."""

    def to_bytes(self) -> bytes:
        """The file's content."""


Shown = TypeVar("Shown", bound=Renewable)


class RenewedFile(Generic[Shown]):
    """A configured file, and its copy at `path`, with which the gate connects."""

    def __init__(self, configured: Path, path: Path, read: Callable[[Path], Shown]) -> None:
        self._configured = configured
        self.path = path
        self._read = read

    def in_use(self) -> Path:
        """The file that is to be used: the copy if it is a renewal of the configured one.

        Raises `ConfigurationError` when the configured file is missing or damaged.
        """
        if not self._configured.is_file():
            raise ConfigurationError(f"{self._configured} is missing; the gate cannot connect to the hub")
        first, copy = self._read(self._configured), self._copy()
        is_renewal = copy is not None and copy.key == first.key and copy.issued_utc >= first.issued_utc
        return self.path if is_renewal else self._configured

    def refresh(self) -> None:
        """Make the copy, or again from a configured file that is newer. Raises `ConfigurationError`."""
        chosen = self.in_use()
        if chosen != self.path:
            write_secret(self.path, self._read(chosen).to_bytes())

    def take(self, newer: bytes) -> bool:
        """Put newer public text of the same key into the copy; whether it was that.

        Raises `ConfigurationError` if the copy is damaged.
        """
        kept = self._read(self.path)
        try:
            renewed = kept.renewed(newer)
        except ConfigurationError as error:
            logger.warning("what the hub sent in place of %s cannot be read (%s)", self.path.name, error)
            return False
        if renewed is None:
            return False
        write_secret(self.path, renewed.to_bytes())
        logger.info("%s is renewed: valid %s", self.path.name, renewed.valid_until)
        return True

    @property
    def valid_until(self) -> str:
        """The last day on which the hub accepts it, as text; empty while there is no copy."""
        found = self._copy()
        return "" if found is None else found.valid_until

    def _copy(self) -> Shown | None:
        try:
            return self._read(self.path) if self.path.exists() else None
        except ConfigurationError as error:
            logger.warning("%s; it is copied again", error)
            return None


class HubCredentials:
    """Credentials and, for a hub with TLS, the certificate of one gate."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings, folder = settings, settings.data_folder
        self.credentials = RenewedFile(settings.hub_credentials, folder / CREDENTIALS_COPY, read_credentials)
        self.certificate = (
            None
            if settings.hub_certificate is None
            else RenewedFile(settings.hub_certificate, folder / CERTIFICATE_COPY, read_keyed)
        )

    def link(self) -> Link:
        """How the gate connects: with the copies where they are in use. Raises `ConfigurationError`."""
        certificate = None if self.certificate is None else self.certificate.in_use()
        return self._settings.hub_link(self.credentials.in_use(), certificate)

    def refresh(self) -> None:
        """Make the copies where the configured files are newer. Raises `ConfigurationError`."""
        self.credentials.refresh()
        if self.certificate is not None:
            self.certificate.refresh()

    def take(self, data: bytes) -> bool:
        """Take a `Renewal` from the hub; whether anything in it was newer. Raises `ConfigurationError`."""
        try:
            renewal = Renewal.model_validate_json(data)
        except ValidationError:
            logger.warning("the renewed credentials from the hub cannot be read")
            return False
        taken = self.credentials.take(renewal.token.encode())
        if self.certificate is not None and renewal.certificate is not None:
            taken = self.certificate.take(renewal.certificate.encode()) or taken
        return taken
