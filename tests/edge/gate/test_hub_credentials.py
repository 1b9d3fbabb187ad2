"""The gate's credentials expire, are renewed over the hub, and are replaced by an operator."""

import asyncio
import gc
import shutil
import time
from pathlib import Path

import pytest

from edge.gate.hub_credentials import HubCredentials, RenewedFile
from edge.gate.program import run_gate
from edge.gate.settings import GateSettings
from messaging.bus import Link
from messaging.errors import ConfigurationError, WireForbidden
from messaging.nats.accounts import gate_jwt
from messaging.nats.authority import HubAuthority
from messaging.nats.bus import NatsBus
from messaging.nats.credentials import (
    ACCOUNT,
    USER,
    Credentials,
    KeyPair,
    Renewal,
    new_key,
    read_credentials,
)
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import RENEWALS, inbox_prefix
from messaging.tls.certificate_authority import CertificateAuthority
from messaging.tls.certificates import KeyedCertificate, read_keyed
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.edge.gates import gate_settings, status_of
from tests.support.waiting import eventually

NOW_UTC, DAY_S = 1_800_000_000, 86_400
ACCOUNT_KEY, USER_KEY = new_key(ACCOUNT), new_key(USER)


def credentials(days: int, *, user: KeyPair = USER_KEY, account: KeyPair = ACCOUNT_KEY) -> Credentials:
    """Made so many days after the first."""
    issued = NOW_UTC + days * DAY_S
    return Credentials(gate_jwt("s1", account, user.public, issued, expires_utc=issued + 90 * DAY_S), user)


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    path = tmp_path / "configured.creds"
    path.write_bytes(credentials(0).to_bytes())
    return path


def kept_in(folder: Path, configured: Path) -> RenewedFile[Credentials]:
    return RenewedFile(configured, folder / "gate" / "hub.creds", read_credentials)


def test_a_renewal_replaces_the_copy_and_lasts_over_a_restart(configured: Path, tmp_path: Path) -> None:
    kept = kept_in(tmp_path, configured)
    kept.refresh()
    assert read_credentials(kept.path) == credentials(0)
    assert kept.take(credentials(30).token.encode())
    again = kept_in(tmp_path, configured)
    again.refresh()
    assert read_credentials(again.path) == credentials(30)
    assert again.valid_until == "until 2027-05-15"
    assert again.in_use() == again.path
    assert configured.read_bytes() == credentials(0).to_bytes()


@pytest.mark.parametrize(
    "renewal",
    [
        b"",
        b"a.b.c",
        b"\xff\xfe",
        credentials(-1).token.encode(),
        credentials(0).token.encode(),
        credentials(30, user=new_key(USER)).token.encode(),
        credentials(30, account=new_key(ACCOUNT)).token.encode(),
    ],
)
def test_what_is_no_newer_jwt_of_the_same_user_and_account_is_not_taken(
    configured: Path, tmp_path: Path, renewal: bytes
) -> None:
    kept = kept_in(tmp_path, configured)
    kept.refresh()
    assert not kept.take(renewal)
    assert read_credentials(kept.path) == credentials(0)


@pytest.mark.parametrize("replacement", [credentials(40), credentials(1, user=new_key(USER))])
def test_a_file_that_the_operator_has_replaced_wins_over_the_copy(
    configured: Path, tmp_path: Path, replacement: Credentials
) -> None:
    kept = kept_in(tmp_path, configured)
    kept.refresh()
    kept.take(credentials(30).token.encode())
    configured.write_bytes(replacement.to_bytes())
    kept.refresh()
    assert read_credentials(kept.path) == replacement


def test_a_damaged_copy_is_made_again_and_a_missing_file_is_a_sentence(
    configured: Path, tmp_path: Path
) -> None:
    kept = kept_in(tmp_path, configured)
    kept.refresh()
    kept.path.write_bytes(b"")
    kept.refresh()
    assert read_credentials(kept.path) == credentials(0)
    configured.unlink()
    with pytest.raises(ConfigurationError, match=r"configured\.creds is missing; the gate cannot connect"):
        kept.refresh()


def certificate(folder: Path, issued_utc: float, site: str = "s1") -> KeyedCertificate:
    """A certificate of one key a site, issued then."""
    return CertificateAuthority(folder, clock=lambda: issued_utc, days=90.0).client(
        folder / f"{site}.pem", site
    )


def test_a_renewed_certificate_is_kept_beside_renewed_credentials(tmp_path: Path) -> None:
    files = {"hub_credentials": tmp_path / "a.creds", "hub_certificate": tmp_path / "a.pem"}
    files["hub_credentials"].write_bytes(credentials(0).to_bytes())
    first = certificate(tmp_path / "ca", NOW_UTC)
    files["hub_certificate"].write_bytes(first.to_bytes())
    settings = GateSettings.model_validate(
        {
            **{"site": "s1", "site_url": "nats://127.0.0.1:1", "site_credentials": "gate.nk"},
            **{"hub_url": "tls://hub.example", "hub_ca": tmp_path / "ca.pem", **files},
            **{"data_folder": tmp_path / "gate", "mirror_folder": tmp_path / "mirror"},
            "trust": tmp_path / "trust.json",
        }
    )
    kept = HubCredentials(settings)
    kept.refresh()
    newer = certificate(tmp_path / "ca", NOW_UTC + 31 * DAY_S).certificate.pem.decode()
    renewal = Renewal(token=credentials(30).token, certificate=newer)
    assert kept.take(renewal.model_dump_json().encode())
    assert not kept.take(renewal.model_dump_json().encode())
    no_jwt = newer
    for other in (b"", b"{}", Renewal(token=no_jwt, certificate="no").model_dump_json().encode()):
        assert not kept.take(other)
    foreign = certificate(tmp_path / "ca", NOW_UTC + 60 * DAY_S, "s2").certificate.pem.decode()
    assert not kept.take(Renewal(token=no_jwt, certificate=foreign).model_dump_json().encode())
    used = HubCredentials(settings).link().tls
    assert used is not None
    assert used.certificate == settings.data_folder / "hub.pem"
    assert read_keyed(settings.data_folder / "hub.pem").certificate.pem.decode() == newer
    files["hub_certificate"].write_bytes(certificate(tmp_path / "new", NOW_UTC + 40 * DAY_S).to_bytes())
    kept.refresh()
    assert read_keyed(settings.data_folder / "hub.pem") == read_keyed(files["hub_certificate"])


@pytest.mark.broker
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_a_gate_whose_credentials_are_renewed_stays_connected_beyond_their_end(
    tmp_path: Path, encrypted: bool
) -> None:
    async def scenario(hub: Hub, site: Site) -> None:
        days = 4 / DAY_S
        certificates = CertificateAuthority(hub.folder / "ca", clock=time.time, days=days)
        brief = HubAuthority(
            hub.folder / "keys",
            clock=time.time,
            credential_days=days,
            certificates=certificates if encrypted else None,
        )
        first = read_credentials(brief.enrol_site("s1"))
        hub.reload()
        cloud = await NatsBus.connect(hub.cloud_link())
        await prepare_hub(cloud)
        settings, stop = gate_settings(hub, site, tmp_path, credentials_s=0.2), asyncio.Event()
        settings = settings.model_copy(update={"hub_credentials": tmp_path / "first.creds"})
        settings.hub_credentials.write_bytes(first.to_bytes())
        if encrypted:
            copy = Path(shutil.copy(hub.certificate("s1"), tmp_path / "first.pem"))
            settings = settings.model_copy(update={"hub_certificate": copy})
        gate = asyncio.create_task(run_gate(settings, stop))

        async def renew() -> None:
            while not stop.is_set():
                renewed = brief.renewed("s1")
                await cloud.put_latest(RENEWALS, "s1", renewed.model_dump_json().encode() if renewed else b"")
                await asyncio.sleep(0.2)

        renewing = asyncio.create_task(renew())
        await eventually(lambda: time.time() > (first.claims.exp or 0) + 1)
        await eventually(lambda: status_of(settings).get("link") == "up", what="the link is up")
        old = Link(
            hub.broker.url,
            "gate-s1",
            credentials_path=str(settings.hub_credentials),
            tls=hub.gate_link("s1").tls,
            inbox_prefix=inbox_prefix("s1"),
        )
        with pytest.raises(WireForbidden, match=r"refused .* gate-s1 \(they were valid until 20.*sites add"):
            await NatsBus.connect(old)
        stop.set()
        await asyncio.gather(gate, renewing)
        await cloud.close()

    with running_hub(tmp_path, encrypted=encrypted) as hub, running_site(tmp_path, "s1") as site:
        asyncio.run(asyncio.wait_for(scenario(hub, site), 60))
    gc.collect()  # such sockets belong to this test
