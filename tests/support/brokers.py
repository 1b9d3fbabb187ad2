"""Real brokers for tests: one hub and two sites, on free loopback ports, in temporary folders."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from messaging.bus import Link
from messaging.nats.authority import HubAuthority
from messaging.nats.broker import EmbeddedBroker
from messaging.nats.broker_config import SiteKeys, hub_config, site_config
from messaging.nats.subjects import inbox_prefix


@dataclass(frozen=True)
class Hub:
    """A hub that runs, and who may enrol sites at it."""

    broker: EmbeddedBroker
    authority: HubAuthority
    folder: Path

    @property
    def port(self) -> int:
        return int(self.broker.url.rsplit(":", 1)[1])

    def cloud_link(self) -> Link:
        return Link(self.broker.url, "cloud", credentials_path=str(self.authority.enrol_cloud()))

    def gate_link(self, site: str, *, port: int | None = None) -> Link:
        """The link of a site's gate; `port`: of a proxy in front of the hub."""
        url = self.broker.url if port is None else f"nats://127.0.0.1:{port}"
        path = str(self.enrol(site))
        return Link(url, f"gate-{site}", credentials_path=path, inbox_prefix=inbox_prefix(site))

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
        self.broker.reload(hub_config(self.folder / "hub", self.authority))


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


@contextmanager
def running_hub(folder: Path) -> Iterator[Hub]:
    authority = HubAuthority(folder / "keys", clock=time.time)
    with EmbeddedBroker(hub_config(folder / "hub", authority)) as broker:
        yield Hub(broker, authority, folder)


@contextmanager
def running_site(folder: Path, name: str) -> Iterator[Site]:
    config, keys = site_config(folder / name, name)
    with EmbeddedBroker(config) as broker:
        yield Site(broker, keys, name)
