"""Reading X.509 certificates and their private keys, which are PEM, in one file or in two."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from messaging.errors import ConfigurationError, FileFault
from messaging.runtime.text_files import read_bytes

_DAY_S = 86_400.0
_LIMIT_BYTES = 2**20
_YOUNG = 2 / 3
_KEY_BEGINS = b"-----BEGIN "


@dataclass(frozen=True)
class Certificate:
    """What a certificate states. `names`: DNS names and IP addresses; `key`: SHA-256 of its public key."""

    subject: str
    names: tuple[str, ...]
    not_before_utc: float
    not_after_utc: float
    key: str
    pem: bytes

    @property
    def valid_until(self) -> str:
        """The last day on which it is accepted, as text."""
        return f"until {datetime.fromtimestamp(self.not_after_utc, UTC):%Y-%m-%d}"

    def young_at(self, now_utc: float, days: float) -> bool:
        """Whether less than a third of its time is over, and it is not valid for longer than `days`."""
        left_s = self.not_after_utc - now_utc
        return days * _DAY_S * _YOUNG < left_s <= days * _DAY_S


@dataclass(frozen=True)
class KeyedCertificate:
    """A certificate and its private key, as they are in one file."""

    certificate: Certificate
    key_pem: bytes

    @property
    def key(self) -> str:
        """Its public key."""
        return self.certificate.key

    @property
    def issued_utc(self) -> float:
        """When it was issued, apart from `CLOCK_SLACK_S`."""
        return self.certificate.not_before_utc

    @property
    def valid_until(self) -> str:
        """The last day on which it is accepted, as text."""
        return self.certificate.valid_until

    def to_bytes(self) -> bytes:
        """The file's content."""
        return self.certificate.pem + self.key_pem

    def renewed(self, pem: bytes) -> "KeyedCertificate | None":
        """The same key with the certificate in `pem`; None if that has another key or is not newer.

        Raises `ConfigurationError` for bytes that are no certificate.
        """
        newer = parse_certificate(pem)
        if newer.key != self.key or newer.not_before_utc <= self.issued_utc:
            return None
        return KeyedCertificate(newer, self.key_pem)


def read_certificate(path: Path) -> Certificate:
    """The first certificate in a file. Raises `ConfigurationError`."""
    try:
        return parse_certificate(read_bytes(path, limit_bytes=_LIMIT_BYTES))
    except (FileFault, ConfigurationError) as error:
        raise ConfigurationError(f"certificate {path} is not usable ({error})") from None


def read_keyed(path: Path, key_path: Path | None = None) -> KeyedCertificate:
    """The certificate in a file, and its key in the same file or in another one.

    Raises `ConfigurationError`, without the file's content, also for a key of another certificate.
    """
    certificate = read_certificate(path)
    where = key_path or path
    try:
        key_pem = _key_block(read_bytes(where, limit_bytes=_LIMIT_BYTES))
        key = load_pem_private_key(key_pem, None)
    except FileFault as error:
        raise ConfigurationError(f"the key of certificate {path} is not usable ({error})") from None
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"{where} holds no usable private key; give an unencrypted one in PEM"
        ) from None
    if _digest_of(key.public_key()) != certificate.key:
        raise ConfigurationError(f"the key in {where} does not belong to the certificate in {path}")
    return KeyedCertificate(certificate, key_pem)


def parse_certificate(pem: bytes) -> Certificate:
    """What the first certificate of a PEM text states. Raises `ConfigurationError`."""
    try:
        found = x509.load_pem_x509_certificate(pem)
        names = _names_of(found)
        key = _digest_of(found.public_key())
    except ValueError:
        raise ConfigurationError("this is no certificate in PEM") from None
    common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        str(common[0].value) if common else "",
        names,
        found.not_valid_before_utc.timestamp(),
        found.not_valid_after_utc.timestamp(),
        key,
        found.public_bytes(Encoding.PEM),
    )


def _key_block(pem: bytes) -> bytes:
    """The private key of a PEM text that may hold certificates too. Raises `ValueError`."""
    before, middle, after = pem.partition(b"PRIVATE KEY-----")
    if not middle:
        raise ValueError("no private key")
    kind = before.rpartition(_KEY_BEGINS)[2]
    end = b"-----END " + kind + middle
    body = after.partition(end)[0]
    return _KEY_BEGINS + kind + middle + body + end + b"\n"


def _names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in found.get_values_for_type(x509.IPAddress))
    return (*found.get_values_for_type(x509.DNSName), *addresses)


def _digest_of(public: PublicKeyTypes) -> str:
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
