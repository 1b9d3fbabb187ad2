"""The authority of a deployment: it signs the certificates of the hub, the API and their clients.

Keys are ECDSA P-256, which every TLS 1.3 program and browser accepts. A certificate and its key are in one
file of mode 0600; the authority's own certificate is public.
"""

import ipaddress
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from messaging.errors import ConfigurationError, FileFault
from messaging.runtime.atomic_files import write_atomically, write_secret
from messaging.runtime.text_files import read_bytes
from messaging.tls.certificates import KeyedCertificate, parse_certificate, read_keyed

AUTHORITY_DAYS = 3650.0
CLOCK_SLACK_S = 3600.0
"""Certificates begin so long before they are issued, for programs whose clock is behind."""
LOOPBACK_NAMES = ("127.0.0.1", "::1", "localhost")
_DAY_S = 86_400.0
_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
Extensions = Sequence[tuple[x509.ExtensionType, bool]]


class CertificateAuthority:
    """Signs the certificates of one deployment; its own key and certificate are made at first use.

    `clock` gives seconds since 1970; what it signs is valid for `days`. Every method raises
    `ConfigurationError` when the authority's files are damaged or half missing, and `OSError`.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float], days: float) -> None:
        self.path = folder / "ca.pem"
        self.key_path = folder / "ca.key"
        self.server_path = folder / "server.pem"
        self._clock = clock
        self._days = days

    def make(self) -> None:
        """Make the authority's key and certificate, if they are not there."""
        if not self.key_path.exists():
            if self.path.exists():
                raise ConfigurationError(
                    f"{self.key_path} is missing beside {self.path.name}; restore it from a backup, or "
                    f"remove {self.path.name} too: every site then needs new files of `blindspot sites add`"
                )
            write_secret(self.key_path, _pem_of(ec.generate_private_key(ec.SECP256R1())))
        if not self.path.exists():
            key = self._signing_key()
            name = _name("Blindspot authority")
            pem = self._signed(name, key.public_key(), issuer=name, days=AUTHORITY_DAYS, extensions=_SIGNS)
            write_atomically(self.path, pem)
            self.path.chmod(0o644)

    def server(self, names: Sequence[str]) -> Path:
        """The file of the server's certificate for exactly these names and loopback; the same while young."""
        wanted = tuple(dict.fromkeys((*names, *LOOPBACK_NAMES)))
        found = self._usable(self.server_path)
        if found is None or set(found.certificate.names) != set(wanted) or not self._young(found):
            listed = x509.SubjectAlternativeName([_general_name(name) for name in wanted])
            self._issue(self.server_path, wanted[0], found, (*_SERVES, (listed, False)))
        return self.server_path

    def client(self, path: Path, subject: str) -> KeyedCertificate:
        """A client's certificate in a file: the same while it is young, then a new one for the same key."""
        found = self._usable(path)
        if found is not None and self._young(found):
            return found
        return self._issue(path, subject, found, _CONNECTS)

    def _young(self, found: KeyedCertificate) -> bool:
        return found.certificate.young_at(self._clock(), self._days)

    def _usable(self, path: Path) -> KeyedCertificate | None:
        """The certificate in a file, if it is whole and this authority has signed it."""
        self.make()
        if not path.exists():
            return None
        try:
            found = read_keyed(path)
            x509.load_pem_x509_certificate(found.certificate.pem).verify_directly_issued_by(self._own())
        except (ConfigurationError, ValueError, TypeError, InvalidSignature):
            return None
        return found

    def _issue(
        self, path: Path, subject: str, found: KeyedCertificate | None, extensions: Extensions
    ) -> KeyedCertificate:
        key_pem = _pem_of(ec.generate_private_key(ec.SECP256R1())) if found is None else found.key_pem
        key = _loaded(key_pem)
        pem = self._signed(
            _name(subject),
            key.public_key(),
            issuer=self._own().subject,
            days=self._days,
            extensions=extensions,
        )
        issued = KeyedCertificate(parse_certificate(pem), key_pem)
        write_secret(path, issued.to_bytes())
        return issued

    def _own(self) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(read_bytes(self.path))
        except (FileFault, ValueError) as error:
            raise ConfigurationError(
                f"the authority's certificate {self.path} is not usable ({error}); restore it from a backup"
            ) from None

    def _signing_key(self) -> ec.EllipticCurvePrivateKey:
        try:
            return _loaded(read_bytes(self.key_path))
        except (FileFault, ValueError, TypeError):
            raise ConfigurationError(
                f"the authority's key {self.key_path} is not usable; restore it from a backup"
            ) from None

    def _signed(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        *,
        issuer: x509.Name,
        days: float,
        extensions: Extensions,
    ) -> bytes:
        """A certificate in PEM, with the key identifiers that RFC 5280 asks for."""
        now, signer = self._clock(), self._signing_key()
        builder = x509.CertificateBuilder(
            issuer,
            subject,
            public,
            x509.random_serial_number(),
            datetime.fromtimestamp(now - CLOCK_SLACK_S, UTC),
            datetime.fromtimestamp(now + days * _DAY_S, UTC),
        )
        identified = (
            (x509.SubjectKeyIdentifier.from_public_key(public), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
        )
        for extension, critical in (*extensions, *identified):
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)


def _usage(*used: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in used for name in _USAGES})


_SIGNS: Extensions = (
    (x509.BasicConstraints(ca=True, path_length=0), True),
    (_usage("key_cert_sign", "crl_sign"), True),
)
_SERVES: Extensions = (
    (x509.BasicConstraints(ca=False, path_length=None), True),
    (_usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
)
_CONNECTS: Extensions = (
    (x509.BasicConstraints(ca=False, path_length=None), True),
    (_usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _loaded(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises `ValueError` or, for a key of another kind, `TypeError`."""
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an ECDSA key")
    return key
