"""A hub with TLS, on a real nats-server: who is let in, and one sentence for everyone who is not."""

import asyncio
import os
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from messaging.bus import Link
from messaging.errors import ConfigurationError, WireError, WireForbidden, WireUnavailable
from messaging.nats.bus import NatsBus
from messaging.tls.certificate_authority import CertificateAuthority
from messaging.tls.certificates import read_keyed
from messaging.tls.connections import ClientTls
from tests.support.brokers import Hub, running_hub
from tests.support.waiting import eventually

pytestmark = pytest.mark.broker
DAY_S = 86_400.0
REVOKED_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("hub"), encrypted=True) as hub:
        hub.enrol("s1")
        hub.enrol("s2")
        yield hub


def connected(link: Link) -> None:
    async def whole() -> None:
        await (await NatsBus.connect(link, timeout_s=3.0)).close()

    asyncio.run(asyncio.wait_for(whole(), 20))


def address(hub: Hub) -> tuple[str, int]:
    return "127.0.0.1", int(hub.broker.url.rpartition(":")[2])


def shown(link: Link, **changes: object) -> Link:
    """The link with other files for TLS."""
    assert link.tls is not None
    return replace(link, tls=replace(link.tls, **changes))  # type: ignore[arg-type]  # of the fields' types


def test_cloud_and_enrolled_sites_are_let_in_over_tls_1_3(hub: Hub) -> None:
    connected(hub.cloud_link())
    connected(hub.gate_link("s1"))
    tls = hub.gate_link("s1").tls
    assert tls is not None
    with socket.create_connection(address(hub), 2.0) as link:
        encrypted = tls.context().wrap_socket(link, server_hostname="127.0.0.1")
        assert encrypted.recv(4096).startswith(b"INFO")
        assert encrypted.version() == "TLSv1.3"
        encrypted.close()


def test_tls_1_2_is_refused(hub: Hub) -> None:
    assert hub.ca is not None
    context = ssl.create_default_context(cafile=hub.ca)
    context.load_cert_chain(hub.certificate("s1"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(address(hub), 2.0) as link,
        pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
    ):
        context.wrap_socket(link, server_hostname="127.0.0.1")


def expired(hub: Hub, folder: Path) -> Link:
    """The certificate of an enrolled key, signed by the hub's authority, whose time is over."""
    old = CertificateAuthority(hub.folder / "ca", clock=lambda: time.time() - 100 * DAY_S, days=90)
    path = Path(shutil.copy(hub.certificate("s1"), folder / "hub.pem"))
    old.client(path, "site-s1")
    return shown(hub.gate_link("s1"), certificate=path)


def of_another_authority(hub: Hub, folder: Path) -> Link:
    other = CertificateAuthority(folder / "other", clock=time.time, days=90)
    other.client(folder / "hub.pem", "site-s1")
    return shown(hub.gate_link("s1"), certificate=folder / "hub.pem")


def of_nobody_enrolled(hub: Hub, folder: Path) -> Link:
    assert hub.certificates is not None
    hub.certificates.client(folder / "hub.pem", "site-s9")
    return shown(hub.gate_link("s1"), certificate=folder / "hub.pem")


def without_certificate(hub: Hub, folder: Path) -> Link:
    return shown(hub.gate_link("s1"), certificate=None)


def hub_of_another_authority(hub: Hub, folder: Path) -> Link:
    other = CertificateAuthority(folder / "other", clock=time.time, days=90)
    other.make()
    return shown(hub.gate_link("s1"), ca=other.path)


def another_host(hub: Hub, folder: Path) -> Link:
    return shown(hub.gate_link("s1"), server_name="hub.invalid")


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (
            expired,
            r"the client certificate has expired.*that of gate-s1 is .*hub\.pem.*`blindspot sites add`",
        ),
        (of_another_authority, r"the client certificate is of another authority; that of gate-s1 is"),
        (of_nobody_enrolled, r"closes the connection after the handshake; that of gate-s1 .* may be revoked"),
        (without_certificate, r"it asks for a client certificate, and none is configured"),
        (
            hub_of_another_authority,
            r"its certificate is of another authority .*; verified with .*other/ca\.pem",
        ),
        (another_host, r"its certificate is not for the host that is connected to; verified with .*ca\.pem"),
    ],
)
def test_who_is_not_let_in_gets_one_sentence(
    hub: Hub, tmp_path: Path, attempt: Callable[[Hub, Path], Link], sentence: str
) -> None:
    started = time.monotonic()
    with pytest.raises(WireForbidden, match=sentence) as refused:
        connected(attempt(hub, tmp_path))
    assert "\n" not in str(refused.value)
    assert hub.broker.url in str(refused.value)
    assert time.monotonic() - started < 10.0


def test_a_certificate_lets_nobody_in_without_the_credentials_of_a_site(hub: Hub, tmp_path: Path) -> None:
    bare = replace(hub.gate_link("s1"), credentials_path=None)
    with pytest.raises(WireError):
        connected(bare)


def test_a_link_with_an_authority_never_speaks_to_a_plain_hub(tmp_path: Path, hub: Hub) -> None:
    with running_hub(tmp_path) as plain:
        link = replace(plain.gate_link("s1"), tls=hub.gate_link("s1").tls)
        with pytest.raises(WireForbidden, match=r"it does not speak TLS"):
            connected(link)
        assert "gate-s1" not in plain.broker.log_path.read_text()


def test_a_link_without_an_authority_is_told_that_the_hub_requires_tls(hub: Hub) -> None:
    with pytest.raises(WireUnavailable, match=r"it requires TLS, and no certificates are configured"):
        connected(replace(hub.gate_link("s1"), tls=None))


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_damaged_files_are_refused_before_anything_is_sent(hub: Hub, tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_bytes(content)
    for changes in ({"ca": broken}, {"certificate": broken}, {"certificate": tmp_path / "absent"}):
        with pytest.raises(ConfigurationError, match=r"certificate .*(broken\.pem|absent) is not usable"):
            connected(shown(hub.gate_link("s1"), **changes))


def test_a_key_of_another_certificate_is_refused_before_anything_is_sent(hub: Hub, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.pem"
    ours, theirs = read_keyed(hub.certificate("s1")), read_keyed(hub.certificate("s2"))
    mixed.write_bytes(ours.certificate.pem + theirs.key_pem)
    with pytest.raises(
        ConfigurationError, match=r"the key in .*mixed\.pem does not belong to the certificate"
    ):
        connected(shown(hub.gate_link("s1"), certificate=mixed))


def test_revoking_a_site_ends_its_connection_and_its_certificate_within_5_s(hub: Hub, tmp_path: Path) -> None:
    async def scenario() -> None:
        link, other = hub.gate_link("s3"), await NatsBus.connect(hub.gate_link("s2"))
        kept = Path(shutil.copy(hub.certificate("s3"), tmp_path / "hub.pem"))
        link = shown(link, certificate=kept)
        gate = await NatsBus.connect(link)
        started = time.monotonic()
        hub.revoke("s3")
        await eventually(lambda: not gate.connected, REVOKED_WITHIN_S, "the gate is disconnected")
        assert time.monotonic() - started < REVOKED_WITHIN_S
        with pytest.raises(WireForbidden, match="may be revoked or replaced"):
            await gate.hint("site.s3.x")
        assert other.connected
        for bus in (gate, other):
            await bus.close()

    asyncio.run(asyncio.wait_for(scenario(), 40))


def test_a_gate_reconnects_with_the_certificate_that_was_renewed_meanwhile(hub: Hub, tmp_path: Path) -> None:
    """The file is replaced while the gate is connected with one that ends; then the hub is killed."""

    async def scenario() -> None:
        assert hub.certificates is not None
        path = Path(shutil.copy(hub.certificate("s1"), tmp_path / "hub.pem"))
        brief = CertificateAuthority(hub.folder / "ca", clock=time.time, days=3 / DAY_S)
        ends_utc = brief.client(path, "site-s1").certificate.not_after_utc
        gate = await NatsBus.connect(shown(hub.gate_link("s1"), certificate=path), timeout_s=10.0)
        hub.certificates.client(path, "site-s1")
        await eventually(lambda: time.time() > ends_utc + 1.0)
        pid = hub.broker.pid
        assert pid is not None
        os.kill(pid, 9)
        await eventually(lambda: not gate.connected)
        await eventually(lambda: gate.connected, 20.0, "the gate is connected again")
        await gate.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_hub_under_a_name_that_is_not_in_its_certificate_is_refused(tmp_path: Path) -> None:
    with running_hub(tmp_path, encrypted=True, host="127.0.0.2") as hub:
        assert hub.broker.url.startswith("tls://127.0.0.2:")
        with pytest.raises(WireForbidden, match="its certificate is not for the host that is connected to"):
            connected(hub.gate_link("s1"))


def test_the_client_context_knows_no_other_authority_than_the_configured_one(hub: Hub) -> None:
    assert hub.ca is not None
    found = ClientTls(hub.ca).context().get_ca_certs()
    assert [one["subject"] for one in found] == [((("commonName", "Blindspot authority"),),)]
