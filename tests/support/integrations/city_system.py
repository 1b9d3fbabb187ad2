"""A city's system as an HTTP server on loopback: it records what it gets, and answers as a test wants."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Got:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    """Answer with a status and headers."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def hang(seconds: float) -> Answer:
    """Answer nothing for so long, then 200."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        status(200)(request)

    return answer


def drip(request: BaseHTTPRequestHandler) -> None:
    """One byte of a status line each 50 ms, for ten seconds."""
    for _ in range(200):
        request.wfile.write(b"H")
        request.wfile.flush()
        time.sleep(0.05)


def rubbish(request: BaseHTTPRequestHandler) -> None:
    """What is not HTTP."""
    request.wfile.write(b"220 smtp.example ESMTP\r\n")


def cut(request: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""
    request.close_connection = True


@dataclass
class CitySystem:
    """The server; `answer` decides what the next requests get."""

    url: str = ""
    answer: Answer = field(default_factory=lambda: status(200))
    got: list[Got] = field(default_factory=list)


def self_signed(folder: Path) -> Path:
    """A file with a key and a certificate of 127.0.0.1 that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "city")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(encoding, form, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(encoding))
    return path


@contextmanager
def city_system(*, certificate: Path | None = None) -> Iterator[CitySystem]:
    """The server on a free port of loopback, until the context ends; with a certificate over TLS."""
    city = CitySystem()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            city.got.append(Got(self.path, headers, body))
            try:
                city.answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    scheme = "http" if certificate is None else "https"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    city.url = f"{scheme}://127.0.0.1:{server.server_port}/hazards"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield city
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
