"""The authority of a deployment: what it signs, when it signs again, and what damage to its files means."""

import shutil
import subprocess
from pathlib import Path

import pytest

from messaging.errors import ConfigurationError
from messaging.tls.certificate_authority import CertificateAuthority
from messaging.tls.certificates import read_certificate, read_keyed

NOW_UTC, DAY_S = 1_800_000_000.0, 86_400.0
DAMAGED = [b"", b"\0\0", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_UTC

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> CertificateAuthority:
    return CertificateAuthority(tmp_path / "ca", clock=clock, days=90.0)


def test_keys_are_private_and_the_authority_itself_is_public(authority: CertificateAuthority) -> None:
    authority.server(["hub.example"])
    client = authority.path.parent / "hub.pem"
    authority.client(client, "site-s1")
    modes = {path: path.stat().st_mode & 0o777 for path in authority.path.parent.iterdir()}
    assert modes.pop(authority.path) == 0o644
    assert set(modes) == {authority.key_path, authority.server_path, client}
    assert set(modes.values()) == {0o600}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_accepts_what_is_signed_for_its_purpose_alone(
    authority: CertificateAuthority, tmp_path: Path, clock: Clock
) -> None:
    server, client = authority.server(["hub.example", "10.0.0.5"]), tmp_path / "hub.pem"
    authority.client(client, "site-s1")

    def verified(path: Path, *more: str) -> bool:
        command = ["openssl", "verify", "-x509_strict", "-attime", str(int(clock.now_s)), "-CAfile"]
        return subprocess.run([*command, authority.path, *more, path], check=False).returncode == 0

    assert verified(server, "-purpose", "sslserver", "-verify_hostname", "hub.example")
    assert verified(server, "-purpose", "sslserver", "-verify_ip", "10.0.0.5")
    assert not verified(server, "-verify_hostname", "other.example")
    assert verified(client, "-purpose", "sslclient")
    assert not verified(client, "-purpose", "sslserver")
    assert not verified(server, "-purpose", "sslclient")


def test_a_certificate_is_the_same_for_a_third_of_its_time_and_then_new_for_the_same_key(
    authority: CertificateAuthority, tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "hub.pem"
    first = authority.client(path, "site-s1")
    clock.now_s += 29 * DAY_S
    assert authority.client(path, "site-s1") == first
    clock.now_s += 2 * DAY_S
    renewed = authority.client(path, "site-s1")
    assert renewed.key == first.key
    assert renewed.certificate.not_after_utc == clock.now_s + 90 * DAY_S
    assert renewed == read_keyed(path) == first.renewed(renewed.certificate.pem)
    assert renewed.renewed(first.certificate.pem) is None
    assert authority.client(tmp_path / "other.pem", "site-s2").renewed(renewed.certificate.pem) is None


def test_a_server_whose_names_change_gets_another_certificate(authority: CertificateAuthority) -> None:
    path = authority.server(["hub.example"])
    first = path.read_bytes()
    assert authority.server(["hub.example"]).read_bytes() == first
    authority.server(["hub.example", "10.0.0.5"])
    names = read_certificate(path).names
    assert set(names) == {"hub.example", "10.0.0.5", "127.0.0.1", "::1", "localhost"}
    assert read_keyed(path).key == read_certificate(path).key


def test_what_another_authority_has_signed_or_damage_has_hit_is_made_again(
    authority: CertificateAuthority, tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "hub.pem"
    other = CertificateAuthority(tmp_path / "other", clock=clock, days=90.0).client(path, "site-s1")
    assert authority.client(path, "site-s1").key != other.key
    for content in DAMAGED:
        path.write_bytes(content)
        assert authority.client(path, "site-s1") == read_keyed(path)


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_key_of_the_authority_is_never_replaced(
    authority: CertificateAuthority, tmp_path: Path, content: bytes
) -> None:
    authority.make()
    authority.key_path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"key .*ca\.key is not usable; restore it from a backup"):
        authority.client(tmp_path / "hub.pem", "site-s1")
    assert authority.key_path.read_bytes() == content


def test_an_authority_without_its_key_is_not_exchanged_for_another_one(
    authority: CertificateAuthority,
) -> None:
    authority.make()
    authority.key_path.unlink()
    with pytest.raises(ConfigurationError, match=r"ca\.key is missing beside ca\.pem; restore it"):
        authority.make()
    assert not authority.key_path.exists()


def test_the_authority_is_signed_anew_for_the_same_key_when_its_certificate_is_removed(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    client = authority.client(tmp_path / "hub.pem", "site-s1")
    before = read_certificate(authority.path)
    authority.path.unlink()
    assert authority.client(tmp_path / "hub.pem", "site-s1") == client
    assert read_certificate(authority.path).key == before.key
