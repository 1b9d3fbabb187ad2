"""The hub: the broker that all gates publish to, started here, with the cloud's own connection to it.

`enrol_site` makes the hub credentials of a site's gate and the trust file of its node. Nothing here reads a
message.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from cloud.settings import CloudSettings, DataFolder, HubSettings
from messaging.blobs import Blobs, NamedFiles
from messaging.bus import Bus, Link
from messaging.nats.blobs import NatsBlobs
from messaging.nats.broker import EmbeddedBroker
from messaging.nats.broker_config import BrokerConfig, hub_config
from messaging.nats.bus import NatsBus
from messaging.nats.credentials import HubAuthority
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import MODELS_BUCKET, TUF_BUCKET
from messaging.runtime.atomic_files import write_secret
from messaging.runtime.state_files import StateFile
from messaging.trust.signing import Repository


@dataclass(frozen=True)
class Hub:
    """The cloud's connection to the hub: messages, bundles, signed metadata, and the hub's address.

    `revoke_site` makes the hub refuse a site's credentials at once; repeating it changes nothing.
    """

    bus: Bus
    blobs: Blobs
    metadata: NamedFiles
    url: str = ""
    revoke_site: Callable[[str], None] = lambda site: None


@dataclass(frozen=True)
class Enrolment:
    """Files to copy to a site's gate (credentials) and node (trust)."""

    site: str
    credentials: Path
    trust: Path


def hub_authority(folder: DataFolder) -> HubAuthority:
    """The keys of a data folder's hub, which decide who may connect to it."""
    return HubAuthority(folder.hub / "authority", now_utc=int(time.time()))


def enrol_site(folder: DataFolder, site: str) -> Enrolment:
    """Make a site's hub credentials and trust file; repeating it returns the same files."""
    credentials = hub_authority(folder).enrol_site(site)
    trust = folder.root / "sites" / site / "trust.json"
    write_secret(trust, Repository(folder.releases).site_trust.to_bytes())
    return Enrolment(site, credentials, trust)


def broker_config(settings: CloudSettings, authority: HubAuthority) -> BrokerConfig:
    """Configuration of the hub's broker: address, port and who may connect."""
    config = hub_config(settings.folder.hub, authority)
    return replace(config, host=settings.hub.host, port=settings.hub.port or None)


def advertised_url(settings: HubSettings, broker_url: str) -> str:
    """The URL at which sites reach the broker that this machine reaches at `broker_url`."""
    return f"nats://{settings.advertised_host or settings.host}:{urlsplit(broker_url).port}"


def hub_address(folder: DataFolder) -> str | None:
    """The URL for sites' gates, as written by the hub's last start; None before the first start.

    Raises `StateFileBroken`.
    """
    found = _address_file(folder).read()
    return None if found is None else found.url


@dataclass(frozen=True)
class _Address:
    url: str


def _address_file(folder: DataFolder) -> StateFile[_Address]:
    return StateFile(folder.hub / "address.json", _Address)


@asynccontextmanager
async def embedded_hub(settings: CloudSettings) -> AsyncIterator[Hub]:
    """Start the hub's broker and connect to it with the cloud's own credentials."""
    folder = settings.folder
    authority = hub_authority(folder)
    broker = EmbeddedBroker(broker_config(settings, authority))

    def revoke_site(site: str) -> None:
        current = hub_authority(folder)
        current.revoke_site(site)
        broker.reload(broker_config(settings, current))

    await asyncio.to_thread(broker.start)
    try:
        link = Link(broker.url, "cloud", credentials_path=str(authority.enrol_cloud()))
        bus = await NatsBus.connect(link)
        try:
            models = NatsBlobs(bus, MODELS_BUCKET)
            metadata = NatsBlobs(bus, TUF_BUCKET, prefix="", max_bytes=2**26)
            await prepare_hub(bus, models, metadata)
            _address_file(folder).write(_Address(advertised_url(settings.hub, broker.url)))
            yield Hub(bus, models, metadata, broker.url, revoke_site)
        finally:
            await bus.close()
    finally:
        await asyncio.to_thread(broker.stop)
