"""Who may connect to the hub: the operator's key, the fleet's account, and an account of each enrolled site.

State is a folder of seeds and credentials; whoever has a seed there is enrolled. The hub's configuration is
rendered from it, so that enrolment and revocation take effect when the hub reloads it, without a restart. A
revoked site's account is removed, and with it every credential that was ever issued for the site. A hub with
TLS accepts exactly the certificates of the cloud and of enrolled sites.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from messaging.errors import ConfigurationError
from messaging.nats.accounts import (
    cloud_jwt,
    connection_events_jwt,
    fleet_account_jwt,
    gate_jwt,
    operator_jwt,
    site_account_jwt,
    system_account_jwt,
)
from messaging.nats.credentials import (
    ACCOUNT,
    OPERATOR,
    USER,
    Credentials,
    KeyPair,
    Renewal,
    key_in_file,
    new_key,
    read_credentials,
    read_key,
)
from messaging.nats.mqtt_account import MqttAccount
from messaging.nats.permissions import gate_at_hub
from messaging.runtime.atomic_files import remove_durably, write_secret
from messaging.tls.certificate_authority import CertificateAuthority
from messaging.tls.certificates import read_certificate

logger = logging.getLogger(__name__)

CREDENTIAL_DAYS = 90.0
_DAY_S = 86_400


def credentials_path(folder: Path, site: str) -> Path:
    """The file of the credentials of a site's gate, in the folder of an authority."""
    return folder / "sites" / site / "hub.creds"


def certificate_path(folder: Path, site: str) -> Path:
    """The file of the certificate and key of a site's gate, in the folder of an authority."""
    return folder / "sites" / site / "hub.pem"


class HubAuthority:
    """The hub's accounts. `clock` gives seconds since 1970; gates' credentials last `credential_days`.

    With `certificates` the cloud and every site also get a certificate, which lasts as long.
    `mqtt`: whether there is an account for MQTT clients.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float],
        credential_days: float = CREDENTIAL_DAYS,
        certificates: CertificateAuthority | None = None,
        mqtt: bool = False,
    ) -> None:
        self._folder = folder
        self._certificates = certificates
        self._accounts: dict[str, tuple[str, str]] = {}
        self._client_keys: dict[Path, str] = {}
        self._clock = clock
        self._valid_s = int(credential_days * _DAY_S)
        self._operator = key_in_file(folder / "operator.seed", OPERATOR)
        self._fleet = key_in_file(folder / "account.seed", ACCOUNT)
        self._system = key_in_file(folder / "system.seed", ACCOUNT)
        self.mqtt = MqttAccount(folder / "mqtt", clock) if mqtt else None

    def settings(self) -> str:
        """The part of the hub's configuration that names the operator and every account."""
        now_utc = int(self._clock())
        since_utc = read_credentials(self.enrol_cloud()).claims.iat
        accounts = {
            self._fleet.public: fleet_account_jwt(
                self._operator, self._fleet, now_utc, users_since_utc=since_utc
            ),
            self._system.public: system_account_jwt(self._operator, self._system, now_utc),
        }
        accounts |= filter(None, (self._signed_account(site, now_utc) for site in self.sites()))
        if self.mqtt is not None:
            public, token = self.mqtt.jwt(self._operator)
            accounts[public] = token
        preloaded = "".join(f"  {public}: {token}\n" for public, token in accounts.items())
        return (
            f"operator: {operator_jwt(self._operator, self._system)}\n"
            f"system_account: {self._system.public}\n"
            f"resolver: MEMORY\nresolver_preload: {{\n{preloaded}}}\n"
        )

    def sites(self) -> tuple[str, ...]:
        """The enrolled sites."""
        return tuple(sorted(path.parent.name for path in self._folder.glob("sites/*/account.seed")))

    def clients(self) -> tuple[str, ...]:
        """The public keys of the certificates with which the cloud and the enrolled sites connect."""
        paths = [(self.cloud_certificate, "cloud")]
        paths += [(certificate_path(self._folder, site), f"site-{site}") for site in self.sites()]
        return tuple(self._client_key(path, subject) for path, subject in paths)

    @property
    def cloud_certificate(self) -> Path:
        """The file of the certificate and key with which the cloud connects."""
        return self._folder / "cloud" / "hub.pem"

    def enrol_cloud(self) -> Path:
        """Credentials with full rights on the fleet's account; the file is made once."""
        path = self._folder / "cloud" / "hub.creds"
        if self._usable(path) is None:
            user = new_key(USER)
            token = cloud_jwt(self._fleet, user.public, int(self._clock()))
            write_secret(path, Credentials(token, user).to_bytes())
        return path

    def connection_events(self) -> Path:
        """Credentials that read which connections end at the hub, and nothing else."""
        path = self._folder / "cloud" / "connection_events.creds"
        found = self._usable(path)
        if found is None or found.claims.iss != self._system.public:
            user = new_key(USER)
            token = connection_events_jwt(self._system, user.public, int(self._clock()))
            write_secret(path, Credentials(token, user).to_bytes())
        return path

    def enrol_site(self, site: str) -> Path:
        """Credentials of a site's gate, and its certificate; the same as before while usable and young.

        They are accepted once the hub has reloaded its settings. Raises `ConfigurationError`.
        """
        self._forget(site)
        account = key_in_file(self._seed(site), ACCOUNT)
        path = credentials_path(self._folder, site)
        found = self._usable(path)
        if found is None or not self._is_young(found, account, site):
            self._issue(site, account, found.user if found is not None else new_key(USER))
        self._certificate(site)
        return path

    def renewed(self, site: str) -> Renewal | None:
        """What a site's gate may show now, of a new date if a third of its time is over.

        None if one of its files is damaged.
        """
        account = self._site_account(site)
        if account is None:
            return None
        try:
            found = read_credentials(credentials_path(self._folder, site))
        except ConfigurationError as error:
            logger.warning("the hub credential of site %s cannot be renewed: %s", site, error)
            return None
        if not self._is_young(found, account, site):
            found = self._issue(site, account, found.user)
        return Renewal(token=found.token, certificate=self._certificate(site))

    def revoke_site(self, site: str) -> None:
        """Remove a site's account; takes effect when the hub reloads its settings."""
        self._forget(site)
        for path in (
            self._seed(site),
            credentials_path(self._folder, site),
            certificate_path(self._folder, site),
        ):
            remove_durably(path)

    def _seed(self, site: str) -> Path:
        return self._folder / "sites" / site / "account.seed"

    def _signed_account(self, site: str, now_utc: int) -> tuple[str, str] | None:
        """Public key and JWT of a site's account, signed once; None if its key is damaged."""
        if site not in self._accounts:
            account = self._site_account(site)
            if account is None:
                return None
            token = site_account_jwt(self._operator, site, account, self._fleet.public, now_utc)
            self._accounts[site] = (account.public, token)
        return self._accounts[site]

    def _forget(self, site: str) -> None:
        """Have its files read again."""
        self._accounts.pop(site, None)
        self._client_keys.pop(certificate_path(self._folder, site), None)

    def _site_account(self, site: str) -> KeyPair | None:
        """A site's account key; None if it is damaged, which shuts out this site and no other."""
        try:
            return read_key(self._seed(site))
        except ConfigurationError as error:
            logger.error("site %s cannot connect (%s, or revoke and add the site)", site, error)
            return None

    def _client_key(self, path: Path, subject: str) -> str:
        """The public key of a certificate, read once; the certificate is made if it is missing or damaged."""
        assert self._certificates is not None, "clients have certificates at a hub with TLS only"
        if path not in self._client_keys:
            try:
                self._client_keys[path] = read_certificate(path).key
            except ConfigurationError:
                self._client_keys[path] = self._certificates.client(path, subject).key
        return self._client_keys[path]

    def _certificate(self, site: str) -> str | None:
        """The certificate of a site's gate in PEM, without its key; None for a hub without TLS."""
        if self._certificates is None:
            return None
        found = self._certificates.client(certificate_path(self._folder, site), f"site-{site}")
        return found.certificate.pem.decode("ascii")

    def _usable(self, path: Path) -> Credentials | None:
        try:
            return read_credentials(path) if path.exists() else None
        except ConfigurationError as error:
            logger.warning("%s; new ones are made, copy them to their user", error)
            return None

    def _is_young(self, found: Credentials, account: KeyPair, site: str) -> bool:
        """Whether its account and subjects are right and less than a third of its time is over."""
        claims, allowed = found.claims, gate_at_hub(site)
        stated = (claims.iss, claims.nats.pub.allow, claims.nats.sub.allow)
        left_s = (claims.exp or 0) - self._clock()
        right = stated == (account.public, allowed.publish, allowed.subscribe)
        return right and self._valid_s * 2 / 3 < left_s <= self._valid_s

    def _issue(self, site: str, account: KeyPair, user: KeyPair) -> Credentials:
        now_utc = int(self._clock())
        token = gate_jwt(site, account, user.public, now_utc, expires_utc=now_utc + self._valid_s)
        issued = Credentials(token, user)
        write_secret(credentials_path(self._folder, site), issued.to_bytes())
        return issued
