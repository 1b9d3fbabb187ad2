"""Checks of certificate files for the starts of programs and the doctors: whole, private, in time."""

import ssl
import time
from collections.abc import Sequence
from pathlib import Path

from messaging.errors import ConfigurationError
from messaging.runtime.start_checks import CheckResult, private_file
from messaging.tls.certificates import Certificate, read_certificate, read_keyed
from messaging.tls.connections import ClientTls, server_context, tls_fault

WARN_DAYS = 30.0
_DAY_S = 86_400.0


def authority_check(name: str, path: Path) -> CheckResult:
    """Whether the certificate of an authority, which is public, is whole and in time."""
    try:
        return _in_time(name, path, read_certificate(path))
    except ConfigurationError as error:
        return CheckResult(name, False, str(error))


def certificate_check(
    name: str, path: Path, *, key: Path | None = None, ca: Path | None = None, hosts: Sequence[str] = ()
) -> CheckResult:
    """Whether a certificate is whole and in time, and its key its own and private.

    The key is in the same file, or in `key`. With `ca` also whether clients that verify with it accept the
    certificate for every one of `hosts`.
    """
    try:
        certificate = read_keyed(path, key).certificate
    except ConfigurationError as error:
        return CheckResult(name, False, str(error))
    private = private_file(name, key or path)
    if not private.ok:
        return private
    result = _in_time(name, path, certificate)
    if not result.ok or ca is None:
        return result
    for host in hosts:
        if (fault := _refusal(server_context(path, key), ClientTls(ca).context(), host)) is not None:
            listed = ", ".join(certificate.names) or "no host"
            return CheckResult(name, False, f"{path} (for {listed}), verified for {host} with {ca}: {fault}")
    return result


def _refusal(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> str | None:
    """Why a client would not accept a server as `host`; found by a handshake of the two in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    accepting = server.wrap_bio(to_server, to_client, server_side=True)
    connecting = client.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(4):  # a handshake of TLS 1.3 takes two messages of the client and one of the server
        for side in (connecting, accepting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return tls_fault(error)
    return None


def _in_time(name: str, path: Path, certificate: Certificate) -> CheckResult:
    """An expired certificate is a fault; the last third of its time, at most `WARN_DAYS`, is a warning."""
    now_utc = time.time()
    left_s = certificate.not_after_utc - now_utc
    if left_s <= 0.0:
        return CheckResult(name, False, f"{path} was valid {certificate.valid_until}; replace it")
    if now_utc < certificate.not_before_utc:
        return CheckResult(name, False, f"{path} is not valid yet, by this machine's clock; set the clock")
    whole_s = certificate.not_after_utc - certificate.not_before_utc
    late = left_s < min(whole_s / 3, WARN_DAYS * _DAY_S)
    ends = f", which is in {left_s / _DAY_S:.0f} days; renew it before" if late else ""
    return CheckResult(name, True, f"{path}: valid {certificate.valid_until}{ends}", warning=late)
