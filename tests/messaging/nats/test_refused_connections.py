"""A real hub tells which connections it refused, why, and which site their credential names."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from messaging.bus import Link
from messaging.errors import WireError
from messaging.nats.accounts import SITE_CONNECTIONS, gate_jwt
from messaging.nats.bus import NatsBus
from messaging.nats.connection import NatsConnection
from messaging.nats.credentials import ACCOUNT, Credentials, KeyPair, new_key, read_credentials, read_key
from messaging.nats.refused_connections import (
    RefusedConnection,
    WhyRefused,
    follow_refused_connections,
    refused_connection,
)
from messaging.runtime.atomic_files import write_secret
from messaging.tls.certificate_authority import CertificateAuthority
from tests.support.brokers import Hub, running_hub
from tests.support.waiting import eventually

broker = pytest.mark.broker


def events_link(hub: Hub) -> Link:
    path = str(hub.authority.connection_events())
    return replace(hub.cloud_link(), name="connection-events", credentials_path=path)


def refusals_of(hub: Hub, act: Callable[[], Awaitable[None]], most: int = 1) -> list[RefusedConnection]:
    """What the hub tells of the connections that are attempted meanwhile."""
    found: list[RefusedConnection] = []

    async def scenario() -> None:
        wire = await NatsConnection.connect(events_link(hub))
        await follow_refused_connections(wire, found.append, time.time)
        await wire.send("_nothing")
        await act()
        await eventually(lambda: len(found) >= most, what="the hub tells of the refusal")
        await wire.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))
    return found


async def refused(link: Link) -> None:
    with pytest.raises(WireError):
        await NatsBus.connect(link, timeout_s=5.0)


def issued(hub: Hub, account: KeyPair, *, valid_s: int) -> Link:
    """The gate of s1 with a credential of this account."""
    link, now = hub.gate_link("s1"), int(time.time())
    user = read_credentials(Path(str(link.credentials_path))).user
    token = gate_jwt("s1", account, user.public, now - 1000, expires_utc=now + valid_s)
    write_secret(hub.folder / "issued.creds", Credentials(token, user).to_bytes())
    return replace(link, credentials_path=str(hub.folder / "issued.creds"))


def expired(hub: Hub) -> Link:
    hub.enrol("s1")
    return issued(hub, read_key(hub.folder / "keys/sites/s1/account.seed"), valid_s=-100)


def of_another_hub(hub: Hub) -> Link:
    return issued(hub, new_key(ACCOUNT), valid_s=100)


def revoked(hub: Hub) -> Link:
    link = hub.gate_link("s1")
    shutil.copy(str(link.credentials_path), hub.folder / "old.creds")
    hub.revoke("s1")
    return replace(link, credentials_path=str(hub.folder / "old.creds"))


@broker
@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (expired, WhyRefused.EXPIRED),
        (of_another_hub, WhyRefused.NOT_ACCEPTED),
        (revoked, WhyRefused.NOT_ACCEPTED),
    ],
)
def test_a_credential_that_is_refused_is_told_with_its_site(
    tmp_path: Path, attempt: Callable[[Hub], Link], reason: WhyRefused
) -> None:
    with running_hub(tmp_path) as hub:
        link = attempt(hub)
        found = refusals_of(hub, lambda: refused(link))
    assert set(found) == {RefusedConnection(reason, "127.0.0.1", "s1")}


@broker
def test_who_shows_nothing_is_told_without_a_site(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        link = replace(hub.gate_link("s1"), credentials_path=None)
        found = refusals_of(hub, lambda: refused(link))
    assert set(found) == {RefusedConnection(WhyRefused.NO_CREDENTIAL, "127.0.0.1", None)}


@broker
def test_certificates_of_another_authority_and_none_are_told(tmp_path: Path) -> None:
    with running_hub(tmp_path, encrypted=True) as hub:
        other = CertificateAuthority(tmp_path / "other", clock=time.time, days=90)
        other.client(tmp_path / "hub.pem", "site-s1")
        link = hub.gate_link("s1")
        assert link.tls is not None
        links = [
            replace(link, tls=replace(link.tls, certificate=one)) for one in (tmp_path / "hub.pem", None)
        ]

        async def attempts() -> None:
            for one in links:
                await refused(one)

        found = refusals_of(hub, attempts, most=2)
    assert set(found) == {RefusedConnection(WhyRefused.CERTIFICATE, "127.0.0.1", None)}


@broker
def test_a_site_with_more_connections_than_it_may_have_is_told(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        link = hub.gate_link("s1")

        async def attempts() -> None:
            open_ones = [await NatsBus.connect(link) for _ in range(SITE_CONNECTIONS)]
            await refused(replace(link, name="one-more"))
            for one in open_ones:
                await one.close()

        found = refusals_of(hub, attempts)
    assert found[0] == RefusedConnection(WhyRefused.CONNECTIONS, "127.0.0.1", "s1")


@broker
def test_a_site_that_connects_and_leaves_is_not_told(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        link, bare = hub.gate_link("s1"), replace(hub.gate_link("s1"), credentials_path=None)

        async def attempts() -> None:
            await (await NatsBus.connect(link)).close()
            await refused(bare)

        found = refusals_of(hub, attempts)
    assert {one.reason for one in found} == {WhyRefused.NO_CREDENTIAL}


@broker
def test_refusals_are_told_after_a_restart_of_the_hub_too(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        link = replace(hub.gate_link("s1"), credentials_path=None)
        found: list[RefusedConnection] = []

        async def scenario() -> None:
            wire = await NatsConnection.connect(events_link(hub))
            await follow_refused_connections(wire, found.append, time.time)
            await asyncio.to_thread(hub.broker.stop)
            await asyncio.to_thread(hub.broker.start)
            await eventually(lambda: wire.connected, what="the connection is up again")
            await wire.send("_nothing")
            await refused(link)
            await eventually(lambda: bool(found), what="the hub tells of the refusal")
            await wire.close()

        asyncio.run(asyncio.wait_for(scenario(), 60))


@broker
def test_the_credential_for_events_can_do_nothing_else(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:

        async def scenario() -> None:
            wire = await NatsConnection.connect(events_link(hub), timeout_s=2.0)
            for subject in ("$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.CONNZ", "site.s1.report.hazard.x"):
                with pytest.raises(WireError, match=r"(?i)does not allow|denies"):
                    await wire.request(subject)
            await wire.close()

        asyncio.run(asyncio.wait_for(scenario(), 60))


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"[]",
        b"{}",
        b'{"client": 3, "reason": "Authentication Failure"}',
        b'{"client": {}, "reason": ["x"]}',
        b'{"client": {"host": "h"}, "reason": "Client Closed"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_refusal_is_passed_over(event: bytes) -> None:
    assert refused_connection(event, 0.0) is None


@pytest.mark.parametrize("token", ["", "a.b.c", "a.e30.c", 3])
def test_a_credential_that_is_none_names_no_site(token: object) -> None:
    text = str(token) if isinstance(token, int) else f'"{token}"'
    event = f'{{"client": {{"host": "h", "jwt": {text}}}, "reason": "Authentication Failure"}}'
    assert refused_connection(event.encode(), 0.0) == RefusedConnection(WhyRefused.NOT_ACCEPTED, "h", None)
