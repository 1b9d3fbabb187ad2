"""Configuration of an embedded broker: listen on loopback, fsync every message, admit exactly these users.

Renders the server's configuration for a hub (operator mode) and for a site (two users with nkeys), and
refuses volatile file systems.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from messaging.errors import ConfigurationError
from messaging.nats.authority import HubAuthority
from messaging.nats.credentials import key_in_file
from messaging.nats.permissions import EVERYTHING, Permissions, node_at_site
from messaging.runtime.quoting import nats_string, url_host
from messaging.tls.connections import ClientTls

MAX_PAYLOAD_BYTES = 256 * 1024
MQTT_HOST = "127.0.0.1"
MQTT_SESSION_KEPT = '"72h"'
"""How long messages are kept for an MQTT client that is not connected."""
_BAD_STORES = {"tmpfs", "ramfs", "nfs", "nfs4", "cifs"}


@dataclass(frozen=True)
class BrokerTls:
    """TLS 1.3 of a broker, whose clients must show a certificate.

    Attributes:
        certificate: the broker's certificate, in PEM; what follows it in the file is its chain.
        key: the file of its key.
        clients_ca: the authority of the clients' certificates.
        clients: the public keys (SHA-256) of those that may connect; any other is refused in the handshake.
        own: how the program that runs the broker connects to it.
    """

    certificate: Path
    key: Path
    clients_ca: Path
    clients: tuple[str, ...]
    own: ClientTls

    def rendered(self) -> str:
        """Its part of the server's configuration file."""
        clients = ", ".join(nats_string(key) for key in self.clients)
        return (
            "tls {\n"
            f"  cert_file: {nats_string(str(self.certificate))}\n"
            f"  key_file: {nats_string(str(self.key))}\n"
            f"  ca_file: {nats_string(str(self.clients_ca))}\n"
            '  verify: true\n  handshake_first: true\n  min_version: "1.3"\n'
            f"  pinned_certs: [{clients}]\n"
            "}\n"
        )


@dataclass(frozen=True)
class BrokerConfig:
    """One embedded broker. `access` is the part of its configuration that lists who may connect.

    Without `tls` its connections are not encrypted. `mqtt_port`: of loopback, where it listens for MQTT
    clients too, without encryption; None: nowhere.
    """

    name: str
    folder: Path
    access: str
    domain: str | None = None
    max_store_bytes: int = 16 * 2**30
    port: int | None = None
    binary: Path | None = None
    unsafe_fast: bool = False
    host: str = "127.0.0.1"
    tls: BrokerTls | None = None
    mqtt_port: int | None = None

    def rendered(self, port: int) -> str:
        """The server's configuration file."""
        domain = f"  domain: {nats_string(self.domain)}\n" if self.domain else ""
        host = url_host(self.host)
        mqtt = ""
        if self.mqtt_port is not None:
            listen = nats_string(f"{MQTT_HOST}:{self.mqtt_port}")
            mqtt = f"mqtt {{\n  listen: {listen}\n  consumer_inactive_threshold: {MQTT_SESSION_KEPT}\n}}\n"
        sync = "" if self.unsafe_fast else "  sync_interval: always\n"
        return (
            f"server_name: {nats_string(self.name)}\n"
            f"listen: {nats_string(f'{host}:{port}')}\n"
            f"max_payload: {MAX_PAYLOAD_BYTES}\n"
            f"write_deadline: 10s\n"
            "jetstream {\n"
            f"  store_dir: {nats_string(str(self.folder / 'store'))}\n"
            f"  max_file_store: {self.max_store_bytes}\n"
            "  max_memory_store: 0\n"
            f"{domain}{sync}"
            "}\n"
            f"{'' if self.tls is None else self.tls.rendered()}"
            f"{mqtt}{self.access}"
        )


@dataclass(frozen=True)
class SiteKeys:
    """Seed files of the users of a site's broker."""

    node: Path
    gate: Path


def hub_config(
    folder: Path, authority: HubAuthority, *, tls: BrokerTls | None = None, unsafe_fast: bool = False
) -> BrokerConfig:
    """The hub: operator mode, JWT credentials."""
    return BrokerConfig("hub", folder, authority.settings(), unsafe_fast=unsafe_fast, tls=tls)


def site_config(folder: Path, site: str, *, unsafe_fast: bool = False) -> tuple[BrokerConfig, SiteKeys]:
    """A site's broker with two users: the node may only publish reports, the gate has full access."""
    keys = SiteKeys(folder / "node.nk", folder / "gate.nk")
    users = ((keys.node, node_at_site(site)), (keys.gate, EVERYTHING))
    lines = "".join(f"    {_user_line(key_in_file(path).public, allowed)}\n" for path, allowed in users)
    access = f"authorization {{\n  users: [\n{lines}  ]\n}}\n"
    return BrokerConfig(f"site-{site}", folder, access, domain=site, unsafe_fast=unsafe_fast), keys


def refuse_volatile_filesystem(folder: Path) -> None:
    """Raise `ConfigurationError` if the folder is on a file system that is volatile or ignores fsync."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return
    whole = str(folder.resolve())
    best, kind = "", ""
    for line in mounts.read_text(errors="replace").splitlines():
        point, file_system = line.split()[1:3]
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point)
        inside = whole == point or whole.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, file_system
    if kind in _BAD_STORES:
        raise ConfigurationError(
            f"{folder} is on {kind}, which does not survive a power cut; choose a disk or allow unsafe_fast"
        )


def _user_line(public: str, allowed: Permissions) -> str:
    publish = ", ".join(f'"{subject}"' for subject in allowed.publish)
    subscribe = ", ".join(f'"{subject}"' for subject in allowed.subscribe)
    return (
        f"{{ nkey: {public}, permissions: {{ publish: {{ allow: [{publish}] }}, "
        f"subscribe: {{ allow: [{subscribe}] }} }} }}"
    )
