"""What doctors and starts say of certificate files: private, in time, of the right authority and host."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from messaging.runtime.start_checks import CheckResult
from messaging.tls.certificate_authority import CertificateAuthority
from messaging.tls.certificates import read_keyed
from messaging.tls.checks import authority_check, certificate_check

DAY_S = 86_400.0


def authority(folder: Path, *, issued_days_ago: float = 0.0, days: float = 90.0) -> CertificateAuthority:
    return CertificateAuthority(folder, clock=lambda: time.time() - issued_days_ago * DAY_S, days=days)


def served(folder: Path, *, issued_days_ago: float = 0.0, days: float = 90.0) -> Path:
    return authority(folder, issued_days_ago=issued_days_ago, days=days).server(["hub.example"])


@pytest.mark.parametrize(
    ("issued_days_ago", "ok", "warning", "sentence"),
    [
        (0.0, True, False, "valid until 2"),
        (59.0, True, False, "valid until 2"),
        (61.0, True, True, "which is in 29 days; renew it before"),
        (91.0, False, False, "was valid until 2"),
        (-2.0, False, False, "is not valid yet, by this machine's clock; set the clock"),
    ],
)
def test_an_old_certificate_is_a_warning_and_an_expired_one_a_fault(
    tmp_path: Path, issued_days_ago: float, ok: bool, warning: bool, sentence: str
) -> None:
    found = certificate_check("x", served(tmp_path, issued_days_ago=issued_days_ago))
    assert (found.ok, found.warning) == (ok, warning), found
    assert sentence in found.detail


def test_the_authority_is_checked_without_a_key(tmp_path: Path) -> None:
    old = authority(tmp_path, issued_days_ago=3640.0)
    old.make()
    assert authority_check("ca", old.path).warning
    old.path.write_text("nothing")
    assert "certificate" in authority_check("ca", old.path).detail


def _readable(path: Path) -> CheckResult:
    path.chmod(0o640)
    return certificate_check("x", path)


def _other_key(path: Path) -> CheckResult:
    other = read_keyed(served(path.parent / "other"))
    path.write_bytes(read_keyed(path).certificate.pem + other.key_pem)
    return certificate_check("x", path)


def _without_key(path: Path) -> CheckResult:
    path.write_bytes(read_keyed(path).certificate.pem)
    return certificate_check("x", path)


def _other_host(path: Path) -> CheckResult:
    return certificate_check("x", path, ca=path.parent / "ca.pem", hosts=["hub.example", "hub.invalid"])


def _other_authority(path: Path) -> CheckResult:
    served(path.parent / "other")
    return certificate_check("x", path, ca=path.parent / "other" / "ca.pem", hosts=["hub.example"])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_readable, "has mode 0640; others may read it: chmod 600"),
        (_other_key, "does not belong to the certificate"),
        (_without_key, "holds no usable private key; give an unencrypted one in PEM"),
        (_other_host, "verified for hub.invalid with"),
        (_other_host, "its certificate is not for the host that is connected to"),
        (_other_authority, "its certificate is of another authority"),
    ],
)
def test_a_fault_is_one_sentence(
    tmp_path: Path, damage: Callable[[Path], CheckResult], sentence: str
) -> None:
    found = damage(served(tmp_path))
    assert not found.ok
    assert sentence in found.detail
    assert "\n" not in found.detail


def test_certificate_and_key_may_be_in_two_files_and_the_right_host_is_accepted(tmp_path: Path) -> None:
    path, key = served(tmp_path), tmp_path / "server.key"
    key.write_bytes(read_keyed(path).key_pem)
    key.chmod(0o600)
    public = Path(shutil.copy(path, tmp_path / "public.pem"))
    public.write_bytes(read_keyed(path).certificate.pem)
    public.chmod(0o644)
    found = certificate_check(
        "x", public, key=key, ca=tmp_path / "ca.pem", hosts=["hub.example", "127.0.0.1"]
    )
    assert (found.ok, found.warning) == (True, False), found
