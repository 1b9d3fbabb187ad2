"""TLS 1.3 contexts of clients and servers, and one sentence for everything that a handshake can end with."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from messaging.errors import ConfigurationError
from messaging.tls.certificates import read_certificate, read_keyed

_PROBE_S = 1.0
_REFUSALS = {
    "ALERT_CERTIFICATE_REQUIRED": "it asks for a client certificate, and none is configured",
    "ALERT_UNKNOWN_CA": "the client certificate is of another authority",
    "ALERT_CERTIFICATE_EXPIRED": "the client certificate has expired, by the server's clock",
    "ALERT_CERTIFICATE_REVOKED": "the client certificate is revoked",
    "ALERT_BAD_CERTIFICATE": "the client certificate is not valid",
    "ALERT_PROTOCOL_VERSION": "it does not accept TLS 1.3",
}
_UNFINISHED = (ssl.SSLWantReadError, ssl.SSLWantWriteError)  # waits for more bytes; in the context of a reset
_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_EXPIRED, _NOT_YET_VALID, _HOST, _ADDRESS = 10, 9, 62, 64  # X509_V_ERR_… of OpenSSL


@dataclass(frozen=True)
class ClientTls:
    """How a client recognises a server and is recognised.

    Attributes:
        ca: certificates of the authorities of which the server's must be.
        certificate: the client's own, and its key; None if the server asks for none.
        server_name: the name in the server's certificate, if it is not the host that is connected to.
    """

    ca: Path
    certificate: Path | None = None
    server_name: str | None = None

    def context(self) -> ssl.SSLContext:
        """A context of TLS 1.3 alone. Raises `ConfigurationError` for a file that is missing or damaged."""
        read_certificate(self.ca)
        context = client_context(self.ca.read_text())
        if self.certificate is not None:
            read_keyed(self.certificate)
            context.load_cert_chain(self.certificate)
        return context


def client_context(authorities: str) -> ssl.SSLContext:
    """A context that accepts servers of these authorities (PEM), under the name that is connected to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cadata=authorities)
    except ssl.SSLError:
        raise ConfigurationError("the certificate of the server's authority is damaged") from None
    return context


def server_context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """A context with a server's certificate and key. Raises `ConfigurationError`."""
    read_keyed(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    return context


def tls_fault(error: BaseException | None) -> str | None:
    """Why a handshake failed, from an error or one of its causes; None if none of them is of TLS."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return _not_accepted(error)
        if isinstance(error, ssl.SSLError) and not isinstance(error, _UNFINISHED):
            return _ended(str(error.reason or error))
        error = error.__cause__ or error.__context__
    return None


def _not_accepted(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in (_HOST, _ADDRESS):
        return "its certificate is not for the host that is connected to"
    if error.verify_code == _EXPIRED:
        return "its certificate has expired, by this machine's clock"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet, by this machine's clock"
    return f"its certificate is of another authority ({error.verify_message})"


def _ended(reason: str) -> str:
    if reason in _PLAIN:
        return "it does not speak TLS"
    return next((text for name, text in _REFUSALS.items() if name in reason), f"TLS failed: {reason}")


async def speaks_tls(host: str, port: int) -> bool:
    """Whether a server answers a handshake; nothing else is sent, and its certificate is not verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PROBE_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
            writer.close()
            await writer.wait_closed()
            return True
    return False
