"""Real brokers for tests: one hub and two sites, on free loopback ports, in temporary folders."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from messaging.bus import Link
from messaging.nats.authority import HubAuthority, certificate_path
from messaging.nats.broker import EmbeddedBroker
from messaging.nats.broker_config import BrokerConfig, BrokerTls, SiteKeys, hub_config, site_config
from messaging.nats.subjects import inbox_prefix
from messaging.tls.certificate_authority import CertificateAuthority
from messaging.tls.connections import ClientTls

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Hub:
    """A hub that runs, and who may enrol sites at it."""

    broker: EmbeddedBroker
    authority: HubAuthority
    folder: Path
    certificates: CertificateAuthority | None = None
    host: str = LOOPBACK

    @property
    def port(self) -> int:
        return int(self.broker.url.rsplit(":", 1)[1])

    def cloud_link(self) -> Link:
        path, tls = str(self.authority.enrol_cloud()), self.config().tls
        return Link(self.broker.url, "cloud", credentials_path=path, tls=None if tls is None else tls.own)

    def gate_link(self, site: str, *, port: int | None = None) -> Link:
        """The link of a site's gate; `port`: of a proxy in front of the hub."""
        url = self.broker.url if port is None else f"{self.broker.url.rpartition(':')[0]}:{port}"
        path = str(self.enrol(site))
        return Link(
            url,
            f"gate-{site}",
            credentials_path=path,
            tls=None if self.ca is None else ClientTls(self.ca, self.certificate(site)),
            inbox_prefix=inbox_prefix(site),
        )

    @property
    def ca(self) -> Path | None:
        return None if self.certificates is None else self.certificates.path

    def certificate(self, site: str) -> Path:
        return certificate_path(self.folder / "keys", site)

    def config(self) -> BrokerConfig:
        return tls_hub_config(self.folder, self.authority, self.certificates, host=self.host)

    def enrol(self, site: str) -> Path:
        """The credentials of a site, which the hub accepts from now on."""
        known = site in self.authority.sites()
        path = self.authority.enrol_site(site)
        if not known:
            self.reload()
        return path

    def revoke(self, site: str) -> None:
        self.authority.revoke_site(site)
        self.reload()

    def reload(self) -> None:
        self.broker.reload(self.config())


@dataclass(frozen=True)
class Site:
    """A site's broker that runs, and its two users."""

    broker: EmbeddedBroker
    keys: SiteKeys
    name: str

    def node_link(self) -> Link:
        return Link(
            self.broker.url, "node", nkey_seed_path=str(self.keys.node), inbox_prefix=inbox_prefix(self.name)
        )

    def gate_link(self) -> Link:
        return Link(self.broker.url, "gate", nkey_seed_path=str(self.keys.gate))


def tls_hub_config(
    folder: Path, authority: HubAuthority, certificates: CertificateAuthority | None, *, host: str = LOOPBACK
) -> BrokerConfig:
    """With certificates a hub with TLS, known as `hub.example` and on loopback."""
    if certificates is None:
        return hub_config(folder / "hub", authority)
    served = certificates.server(["hub.example"])
    own = ClientTls(certificates.path, authority.cloud_certificate, LOOPBACK)
    tls = BrokerTls(served, served, certificates.path, authority.clients(), own)
    return replace(hub_config(folder / "hub", authority, tls=tls), host=host)


@contextmanager
def running_hub(folder: Path, *, encrypted: bool = False, host: str = LOOPBACK) -> Iterator[Hub]:
    certificates = CertificateAuthority(folder / "ca", clock=time.time, days=90) if encrypted else None
    authority = HubAuthority(folder / "keys", clock=time.time, certificates=certificates)
    with EmbeddedBroker(tls_hub_config(folder, authority, certificates, host=host)) as broker:
        yield Hub(broker, authority, folder, certificates, host)


@contextmanager
def running_site(folder: Path, name: str) -> Iterator[Site]:
    config, keys = site_config(folder / name, name)
    with EmbeddedBroker(config) as broker:
        yield Site(broker, keys, name)
