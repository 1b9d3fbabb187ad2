"""The certificate by which other machines recognise this cloud, at its hub and its API, and its checks.

It is issued by the authority of the data folder, or comes from files of the deployment's own.
"""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cloud.settings import CloudSettings
from messaging.runtime.addresses import is_loopback
from messaging.runtime.http_server import url_of
from messaging.runtime.start_checks import CheckResult, private_file
from messaging.tls.certificate_authority import CertificateAuthority
from messaging.tls.checks import authority_check, certificate_check
from messaging.tls.connections import server_context


@dataclass(frozen=True)
class ServerCertificate:
    """Certificate and key of the cloud, and the authority with which its clients verify it.

    `local_name`: a name in it under which this machine connects to itself.
    """

    certificate: Path
    key: Path
    ca: Path
    local_name: str


@dataclass(frozen=True)
class ApiAddress:
    """The API's address, and the authority (PEM) with which clients verify it, if it is encrypted."""

    url: str
    ca: str | None

    def to_bytes(self) -> bytes:
        """The file from which clients of this machine read it."""
        return json.dumps({"url": self.url, "ca": self.ca}).encode()


def certificate_authority(settings: CloudSettings) -> CertificateAuthority:
    """The authority of the data folder, which signs the sites' certificates and, by default, the cloud's."""
    return CertificateAuthority(
        settings.folder.certificates, clock=time.time, days=settings.hub.credential_days
    )


def server_certificate(settings: CloudSettings) -> ServerCertificate:
    """The files in use; a certificate of the own authority is issued again before its time is over.

    Raises `ConfigurationError` for a damaged authority.
    """
    own = settings.tls.files
    if own is not None:
        return ServerCertificate(*own, local_name=settings.host_names[0])
    authority = certificate_authority(settings)
    path = authority.server(settings.host_names)
    return ServerCertificate(path, path, authority.path, local_name="127.0.0.1")


class CertificateRenewal:
    """Makes hub and API read the cloud's certificate again when its file has changed.

    Args:
        settings: the configuration.
        hub: has the hub read its files again.
        api: the context of the API; None if it is not encrypted.
    """

    def __init__(self, settings: CloudSettings, hub: Callable[[], None], api: ssl.SSLContext | None) -> None:
        self._settings, self._hub, self._api = settings, hub, api
        self._served = self._content()

    def step(self) -> None:
        """Renew an old certificate; serve another one than before. Raises `OSError`, `WireUnavailable`."""
        found = self._content()
        if found == self._served:
            return
        files = server_certificate(self._settings)
        if self._api is not None:
            self._api.load_cert_chain(files.certificate, files.key)
        self._hub()
        self._served = found

    def _content(self) -> bytes:
        if not self._settings.hub_encrypted and not self._settings.api_encrypted:
            return b""
        return server_certificate(self._settings).certificate.read_bytes()


def api_context(settings: CloudSettings) -> ssl.SSLContext | None:
    """What the API is encrypted with; None on loopback. Raises `ConfigurationError`."""
    if not settings.api_encrypted:
        return None
    files = server_certificate(settings)
    return server_context(files.certificate, files.key)


def api_address(settings: CloudSettings, listener: socket.socket) -> ApiAddress:
    """Where clients of this machine reach the API that listens there."""
    if not settings.api_encrypted:
        return ApiAddress(url_of(settings.api.host, listener), None)
    files = server_certificate(settings)
    host = settings.api.host
    reached = host if host in settings.host_names or is_loopback(host) else files.local_name
    return ApiAddress(url_of(reached, listener, encrypted=True), files.ca.read_text())


def certificate_checks(settings: CloudSettings) -> Iterator[CheckResult]:
    """What must hold before a cloud starts that other machines connect to; nothing for one on loopback."""
    if not settings.hub_encrypted and not settings.api_encrypted:
        return
    authority = certificate_authority(settings)
    if authority.key_path.exists() or authority.path.exists():
        yield private_file("certificate authority's key", authority.key_path)
        yield authority_check("certificate authority", authority.path)
    if (own := settings.tls.files) is not None:
        certificate, key, ca = own
        yield authority_check("tls.ca", ca)
        yield certificate_check("tls.certificate", certificate, key=key, ca=ca, hosts=settings.host_names)


def served_certificate_check(settings: CloudSettings) -> Iterator[CheckResult]:
    """The certificate of the own authority that a running cloud serves."""
    path = certificate_authority(settings).server_path
    if settings.tls.files is None and (settings.hub_encrypted or settings.api_encrypted):
        yield certificate_check("server certificate", path)
