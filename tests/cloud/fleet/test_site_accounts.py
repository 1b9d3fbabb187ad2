"""Enrolling, renewing and revoking sites: what the cloud asks of the broker and sends to the sites."""

import asyncio
from pathlib import Path

import pytest

from cloud.errors import NotNow
from cloud.fleet.hub import SiteAccounts, enrolment_of
from cloud.settings import CloudSettings
from messaging.memory_bus import MemoryBus
from messaging.nats.authority import HubAuthority
from messaging.nats.broker_config import BrokerConfig
from messaging.nats.credentials import Renewal, read_credentials
from messaging.nats.last_values import all_latest
from messaging.nats.subjects import RENEWALS

DAY_S = 86_400


class RecordingBroker:
    """Takes every configuration, and keeps how many accounts each had."""

    def __init__(self) -> None:
        self.accounts: list[int] = []

    def reload(self, config: BrokerConfig) -> None:
        self.accounts.append(config.access.count("\n  A"))


def test_the_broker_is_reloaded_for_each_change_and_only_enrolled_sites_get_renewals(tmp_path: Path) -> None:
    settings, broker, bus, now = (
        CloudSettings(data=tmp_path),
        RecordingBroker(),
        MemoryBus(),
        [1_800_000_000.0],
    )
    authority = HubAuthority(tmp_path / "hub" / "authority", clock=lambda: now[0], credential_days=90)
    accounts = SiteAccounts(settings, authority, broker)  # type: ignore[arg-type]  # records reloads only

    async def published() -> dict[str, bytes]:
        await accounts.publish_renewals(bus)
        return dict(await all_latest(bus, RENEWALS))

    async def scenario() -> None:
        await bus.ensure_latest(RENEWALS)
        for site in ("harbour", "tunnel"):
            accounts.enrol(site)
        assert broker.accounts == [3, 4]
        first = await published()
        assert set(first) == {"harbour", "tunnel"}
        assert await published() == first
        accounts.revoke("tunnel")
        assert broker.accounts[-1] == 3
        now[0] += 31 * DAY_S
        later = await published()
        assert (later["harbour"] != first["harbour"], later["tunnel"]) == (True, first["tunnel"])
        found = enrolment_of(settings.folder, "harbour")
        assert Renewal(token=read_credentials(found.credentials).token) == Renewal.model_validate_json(
            later["harbour"]
        )
        with pytest.raises(NotNow, match="the data folder of the cloud that runs"):
            enrolment_of(settings.folder, "tunnel")

    asyncio.run(scenario())
