"""The gate's credentials expire, are renewed over the hub, and are replaced by an operator."""

import asyncio
import time
from pathlib import Path

import pytest

from edge.gate.hub_credentials import HubCredentials, in_use
from edge.gate.program import run_gate
from messaging.bus import Link
from messaging.errors import ConfigurationError, WireForbidden
from messaging.nats.accounts import gate_jwt
from messaging.nats.authority import HubAuthority
from messaging.nats.bus import NatsBus
from messaging.nats.credentials import ACCOUNT, USER, Credentials, KeyPair, new_key, read_credentials
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import RENEWALS, inbox_prefix
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


def test_a_renewal_replaces_the_copy_and_lasts_over_a_restart(configured: Path, tmp_path: Path) -> None:
    kept = HubCredentials(configured, tmp_path / "gate")
    kept.refresh()
    assert read_credentials(kept.path) == credentials(0)
    assert kept.take(credentials(30).token.encode())
    again = HubCredentials(configured, tmp_path / "gate")
    again.refresh()
    assert read_credentials(again.path) == credentials(30)
    assert again.valid_until == "until 2027-05-15"
    assert in_use(configured, again.path) == again.path
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
    kept = HubCredentials(configured, tmp_path / "gate")
    kept.refresh()
    assert not kept.take(renewal)
    assert read_credentials(kept.path) == credentials(0)


@pytest.mark.parametrize("replacement", [credentials(40), credentials(1, user=new_key(USER))])
def test_a_file_that_the_operator_has_replaced_wins_over_the_copy(
    configured: Path, tmp_path: Path, replacement: Credentials
) -> None:
    kept = HubCredentials(configured, tmp_path / "gate")
    kept.refresh()
    kept.take(credentials(30).token.encode())
    configured.write_bytes(replacement.to_bytes())
    kept.refresh()
    assert read_credentials(kept.path) == replacement


def test_a_damaged_copy_is_made_again_and_a_missing_file_is_a_sentence(
    configured: Path, tmp_path: Path
) -> None:
    kept = HubCredentials(configured, tmp_path / "gate")
    kept.refresh()
    kept.path.write_bytes(b"")
    kept.refresh()
    assert read_credentials(kept.path) == credentials(0)
    configured.unlink()
    with pytest.raises(ConfigurationError, match=r"configured\.creds is missing; the gate cannot connect"):
        kept.refresh()


@pytest.mark.broker
def test_a_gate_whose_credentials_are_renewed_stays_connected_beyond_their_end(tmp_path: Path) -> None:
    async def scenario(hub: Hub, site: Site) -> None:
        brief = HubAuthority(hub.folder / "keys", clock=time.time, credential_days=4 / DAY_S)
        first = read_credentials(brief.enrol_site("s1"))
        hub.reload()
        cloud = await NatsBus.connect(hub.cloud_link())
        await prepare_hub(cloud)
        settings, stop = gate_settings(hub, site, tmp_path, credentials_s=0.2), asyncio.Event()
        settings = settings.model_copy(update={"hub_credentials": tmp_path / "first.creds"})
        settings.hub_credentials.write_bytes(first.to_bytes())
        gate = asyncio.create_task(run_gate(settings, stop))

        async def renew() -> None:
            while not stop.is_set():
                renewed = brief.renewed("s1")
                await cloud.put_latest(RENEWALS, "s1", renewed.token.encode() if renewed else b"")
                await asyncio.sleep(0.2)

        renewing = asyncio.create_task(renew())
        await eventually(lambda: time.time() > (first.claims.exp or 0) + 1)
        await eventually(lambda: status_of(settings).get("link") == "up", what="the link is up")
        old = Link(
            hub.broker.url,
            "gate-s1",
            credentials_path=str(settings.hub_credentials),
            inbox_prefix=inbox_prefix("s1"),
        )
        with pytest.raises(WireForbidden, match=r"refused .* gate-s1 \(they were valid until 20.*sites add"):
            await NatsBus.connect(old)
        stop.set()
        await asyncio.gather(gate, renewing)
        await cloud.close()

    with running_hub(tmp_path) as hub, running_site(tmp_path, "s1") as site:
        asyncio.run(asyncio.wait_for(scenario(hub, site), 60))
