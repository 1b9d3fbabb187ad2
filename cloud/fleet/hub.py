"""The hub: the broker that all gates publish to, started here, with the cloud's own connection to it.

Enrolling a site makes its account at the hub, the credentials of its gate and the trust file of its node.
Only the process that runs the hub may do so, because the hub must reload its accounts. Nothing here reads a
message.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from cloud.errors import NotNow
from cloud.integration_settings import MqttSettings
from cloud.integrations.mqtt_client import MqttAccess
from cloud.network_settings import HubSettings
from cloud.server_certificate import certificate_authority, server_certificate
from cloud.settings import CloudSettings, DataFolder
from messaging.blobs import Blobs, NamedFiles
from messaging.bus import Bus, Link
from messaging.nats.authority import HubAuthority, certificate_path, credentials_path
from messaging.nats.blobs import NatsBlobs
from messaging.nats.broker import EmbeddedBroker
from messaging.nats.broker_config import MQTT_HOST, BrokerConfig, BrokerTls, hub_config
from messaging.nats.bus import NatsBus
from messaging.nats.connection import NatsConnection
from messaging.nats.mqtt_account import PUBLISHER
from messaging.nats.refused_connections import RefusedConnection, follow_refused_connections
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import MODELS_BUCKET, ORDERS, RENEWALS, TUF_BUCKET
from messaging.runtime.atomic_files import write_secret
from messaging.runtime.state_files import StateFile
from messaging.tls.connections import ClientTls
from messaging.trust.signing import Repository

KEPT_FOR_SITES = (f"OBJ_{MODELS_BUCKET}", f"OBJ_{TUF_BUCKET}", f"KV_{ORDERS}", f"KV_{RENEWALS}")


async def _nothing() -> None:
    """A hub without credentials that needs nothing made."""


async def _no_refusals(take: Callable[[RefusedConnection], None]) -> None:
    """A hub that refuses nobody."""


async def _no_identities() -> tuple[str, ...]:
    """A hub that loses nothing."""
    return ()


@dataclass(frozen=True)
class Hub:
    """The cloud's connection to the hub: messages, bundles, signed metadata, and the hub's address.

    `enrol_site` gives a site its account and files, `revoke_site` makes the hub refuse its credentials at
    once, `prepare` makes the streams and buckets that it lacks, as after the loss of its disk; repeating one
    of them changes nothing. `renew_credentials` sends sites new dates for theirs, `take_certificate` has the
    hub serve its certificate as it is now in its file. `fault` is why the hub stores nothing now;
    `identities` are others when it has lost what it kept for sites. `mqtt`: how the
    cloud publishes at the hub's MQTT listener, if there is one. `follow_refusals` has a function called for
    each connection that the hub refuses.
    """

    bus: Bus
    blobs: Blobs
    metadata: NamedFiles
    url: str = ""
    enrol_site: Callable[[str], None] = lambda site: None
    revoke_site: Callable[[str], None] = lambda site: None
    renew_credentials: Callable[[], Awaitable[None]] = _nothing
    fault: Callable[[], str | None] = lambda: None
    identities: Callable[[], Awaitable[tuple[str, ...]]] = _no_identities
    take_certificate: Callable[[], None] = lambda: None
    prepare: Callable[[], Awaitable[None]] = _nothing
    mqtt: MqttAccess | None = None
    follow_refusals: Callable[[Callable[[RefusedConnection], None]], Awaitable[None]] = _no_refusals


@dataclass(frozen=True)
class Enrolment:
    """Files to copy to a site's gate (credentials; certificate and authority of a hub with TLS) and node."""

    site: str
    credentials: Path
    trust: Path
    certificate: Path | None = None
    ca: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        every = (self.credentials, self.certificate, self.ca, self.trust)
        return tuple(path for path in every if path is not None)


def hub_authority(settings: CloudSettings) -> HubAuthority:
    """The accounts of a data folder's hub, which decide who may connect to it."""
    return HubAuthority(
        _authority_folder(settings.folder),
        clock=time.time,
        credential_days=settings.hub.credential_days,
        certificates=certificate_authority(settings) if settings.hub_encrypted else None,
        mqtt=settings.hub.mqtt is not None,
    )


def enrolment_of(folder: DataFolder, site: str) -> Enrolment:
    """The files of a site that the running cloud has enrolled. Raises `NotNow` if they are not there."""
    authority, encrypted = _authority_folder(folder), (hub_address(folder) or "").startswith("tls:")
    enrolment = Enrolment(
        site,
        credentials_path(authority, site),
        _site_file(folder, site, "trust.json"),
        certificate_path(authority, site) if encrypted else None,
        _site_file(folder, site, "hub_ca.pem") if encrypted else None,
    )
    for path in enrolment.files:
        if not path.exists():
            raise NotNow(f"{path} is missing; is {folder.root} the data folder of the cloud that runs?")
    return enrolment


def write_enrolment(settings: CloudSettings, authority: HubAuthority, site: str) -> None:
    """Write a site's files; the hub accepts its credentials once it has reloaded its accounts."""
    folder = settings.folder
    authority.enrol_site(site)
    write_secret(_site_file(folder, site, "trust.json"), Repository(folder.releases).site_trust.to_bytes())
    if settings.hub_encrypted:
        ca = server_certificate(settings).ca
        write_secret(_site_file(folder, site, "hub_ca.pem"), ca.read_bytes())


def _authority_folder(folder: DataFolder) -> Path:
    return folder.hub / "authority"


def _site_file(folder: DataFolder, site: str, name: str) -> Path:
    return folder.root / "sites" / site / name


class SiteAccounts:
    """Enrols and revokes sites at the broker that runs, and renews the credentials of their gates."""

    def __init__(self, settings: CloudSettings, authority: HubAuthority, broker: EmbeddedBroker) -> None:
        self._settings, self._authority, self._broker = settings, authority, broker
        self._changing = threading.Lock()

    def enrol(self, site: str) -> None:
        """Make a site's account and files. Raises `WireUnavailable`, `ConfigurationError`."""
        with self._changing:
            write_enrolment(self._settings, self._authority, site)
            self._reload()

    def revoke(self, site: str) -> None:
        """Remove a site's account, which ends its connections. Raises `WireUnavailable`."""
        with self._changing:
            self._authority.revoke_site(site)
            self._reload()

    def take_certificate(self) -> None:
        """Have the broker read its certificate again. Raises `WireUnavailable`."""
        with self._changing:
            self._reload()

    async def publish_renewals(self, bus: Bus) -> None:
        """Send every site its newest JWT and certificate, which are no secrets. Raises `WireError`."""
        for site in self._authority.sites():
            renewed = await asyncio.to_thread(self._renewed, site)
            if renewed is not None and await bus.get_latest(RENEWALS, site) != renewed.encode():
                await bus.put_latest(RENEWALS, site, renewed.encode())

    def _renewed(self, site: str) -> str | None:
        with self._changing:
            found = self._authority.renewed(site)
        return None if found is None else found.model_dump_json()

    def _reload(self) -> None:
        self._broker.reload(broker_config(self._settings, self._authority))


def broker_config(settings: CloudSettings, authority: HubAuthority) -> BrokerConfig:
    """Configuration of the hub's broker: address, port, certificate and who may connect."""
    tls = None
    if settings.hub_encrypted:
        served = server_certificate(settings)
        tls = BrokerTls(
            served.certificate,
            served.key,
            clients_ca=certificate_authority(settings).path,
            clients=authority.clients(),
            own=ClientTls(served.ca, authority.cloud_certificate, served.local_name),
        )
    config = hub_config(settings.folder.hub, authority, tls=tls)
    hub = settings.hub
    mqtt_port = None if hub.mqtt is None else hub.mqtt.port
    return replace(config, host=hub.host, port=hub.port or None, mqtt_port=mqtt_port)


def _mqtt_access(settings: CloudSettings, authority: HubAuthority) -> MqttAccess | None:
    if settings.hub.mqtt is None or authority.mqtt is None:
        return None
    topics = {one.topic for one in settings.integrations if isinstance(one, MqttSettings)}
    return MqttAccess(
        host=MQTT_HOST,
        port=settings.hub.mqtt.port,
        user=PUBLISHER,
        password=authority.mqtt.publisher_password(topics),
        reader_password_file=authority.mqtt.reader_password_file(),
    )


def advertised_url(settings: HubSettings, broker_url: str) -> str:
    """The URL at which sites reach the broker that this machine reaches at `broker_url`."""
    reached = urlsplit(broker_url)
    return f"{reached.scheme}://{settings.advertised_host or settings.host}:{reached.port}"


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
async def embedded_hub(settings: CloudSettings, revoked: Iterable[str] = ()) -> AsyncIterator[Hub]:
    """Start the hub's broker and connect to it with the cloud's own credentials.

    `revoked` sites get no account: a revocation may have been cut short, or a backup of the keys restored.
    """
    authority = hub_authority(settings)
    for site in revoked:
        authority.revoke_site(site)
    config = broker_config(settings, authority)
    broker = EmbeddedBroker(config)
    accounts = SiteAccounts(settings, authority, broker)
    await asyncio.to_thread(broker.start)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, broker.stop)
        tls = None if config.tls is None else config.tls.own
        link = Link(broker.url, "cloud", credentials_path=str(authority.enrol_cloud()), tls=tls)
        bus = await NatsBus.connect(link)
        stack.push_async_callback(bus.close)
        path = str(authority.connection_events())
        events = await NatsConnection.connect(replace(link, name="connection-events", credentials_path=path))
        stack.push_async_callback(events.close)
        models = NatsBlobs(bus, MODELS_BUCKET)
        metadata = NatsBlobs(bus, TUF_BUCKET, prefix="", max_bytes=2**26)

        async def prepare() -> None:
            await prepare_hub(bus, models, metadata)

        async def identities() -> tuple[str, ...]:
            states = [await bus.stream_state(name) for name in KEPT_FOR_SITES]
            return tuple(state.identity for state in states)

        await prepare()
        _address_file(settings.folder).write(_Address(advertised_url(settings.hub, broker.url)))
        yield Hub(
            *(bus, models, metadata, broker.url),
            enrol_site=accounts.enrol,
            revoke_site=accounts.revoke,
            renew_credentials=lambda: accounts.publish_renewals(bus),
            fault=lambda: broker.fault,
            identities=identities,
            prepare=prepare,
            take_certificate=accounts.take_certificate,
            mqtt=_mqtt_access(settings, authority),
            follow_refusals=lambda take: follow_refused_connections(events, take, time.time),
        )
