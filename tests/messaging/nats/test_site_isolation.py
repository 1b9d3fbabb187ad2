"""A site is an island at the hub: whatever its credential publishes has no effect on anything else there."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from messaging.bus import MAX_VALUE_BYTES, Link
from messaging.errors import MessageRefused, WireError, WireForbidden, WireUnavailable
from messaging.memory_bus import subject_matches
from messaging.nats.accounts import (
    SITE_CONNECTIONS,
    SITE_PAYLOAD_BYTES,
    SITE_SUBSCRIPTIONS,
    fleet_account_jwt,
    gate_jwt,
    site_account_jwt,
)
from messaging.nats.bus import NatsBus
from messaging.nats.credentials import (
    ACCOUNT,
    OPERATOR,
    USER,
    new_key,
)
from messaging.nats.permissions import gate_at_hub
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import DEAD_LETTERS, FLEET_REPORTS
from tests.support.brokers import Hub, running_hub
from tests.support.messaging.permission_matrix import (
    BUCKETS,
    SITE,
    every_subject,
    is_own,
    measured,
    of_the_fleets_account,
    prepare,
    shipped,
    thief_of,
    without_allow_list,
)

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("credential", [shipped, without_allow_list])
def test_no_publish_with_any_reply_and_header_has_an_effect_outside_the_site(
    tmp_path: Path, credential: Callable[[Hub], Link]
) -> None:
    with running_hub(tmp_path) as hub:
        outcome = asyncio.run(asyncio.wait_for(measured(hub, credential(hub)), 100))
    assert outcome.attempts > 2000
    assert outcome.effects == []


def test_the_attempts_find_the_hole_of_one_account_for_all_sites(tmp_path: Path) -> None:
    """The control of the test above: an allow-list alone does not keep the server's answers in."""
    with running_hub(tmp_path) as hub:
        outcome = asyncio.run(asyncio.wait_for(measured(hub, of_the_fleets_account(hub)), 100))
    found = "\n".join(outcome.effects)
    assert len(outcome.effects) > 50
    for named in ("stream.FLEET_REPORTS", "message.KV_ORDERS", "dead.letters", "$KV.CHECKPOINTS.s2"):
        assert named in found


def test_credentials_from_before_the_sites_had_accounts_are_refused(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        seed = hub.folder / "keys" / "account.seed"
        old = thief_of(hub, seed, gate_at_hub(SITE), issued_utc=time.time() - 3600)
        with pytest.raises(WireForbidden, match="run `blindspot sites add` for the site"):
            asyncio.run(NatsBus.connect(old))


def test_the_accounts_share_exactly_the_subjects_of_the_payload_table() -> None:
    operator, fleet, account = new_key(OPERATOR), new_key(ACCOUNT), new_key(ACCOUNT)
    exported = _claims(fleet_account_jwt(operator, fleet, 0, users_since_utc=0))["exports"]
    imported = _claims(site_account_jwt(operator, SITE, account, fleet.public, 0))["imports"]
    services = [entry["subject"] for entry in imported if entry["type"] == "service"]
    streams = [entry["subject"] for entry in imported if entry["type"] == "stream"]
    assert tuple(services) == gate_at_hub(SITE).publish
    assert streams == [f"site.{SITE}.cmd.>"]
    assert [entry["subject"].replace("*", SITE) for entry in exported] == [*services, *streams]
    foreign = [subject for subject in every_subject() if not is_own(subject)]
    assert not [(p, s) for p in services for s in foreign if subject_matches(p, s)]


def test_account_and_user_of_a_site_are_limited_in_subscriptions() -> None:
    operator, fleet, account = new_key(OPERATOR), new_key(ACCOUNT), new_key(ACCOUNT)
    limits = _claims(site_account_jwt(operator, SITE, account, fleet.public, 0))["limits"]
    assert limits["subs"] == SITE_SUBSCRIPTIONS == 64
    assert (limits["conn"], limits["payload"], limits["leaf"]) == (SITE_CONNECTIONS, SITE_PAYLOAD_BYTES, 0)
    user = _claims(gate_jwt(SITE, account, new_key(USER).public, 0, expires_utc=1))
    assert (user["subs"], user["payload"]) == (SITE_SUBSCRIPTIONS, SITE_PAYLOAD_BYTES)


LIMIT_OR_RESET = "maximum account active connections exceeded|reset by peer"
"""The server ends the connection at once, so that its reason is not always read."""


def test_a_site_is_limited_in_connections_and_in_the_size_of_a_message(tmp_path: Path) -> None:
    async def scenario(hub: Hub) -> None:
        cloud = await NatsBus.connect(hub.cloud_link())
        await prepare_hub(cloud)
        link = hub.gate_link(SITE)
        opened = [await NatsBus.connect(link) for _ in range(SITE_CONNECTIONS)]
        with pytest.raises(WireUnavailable, match=LIMIT_OR_RESET):
            await NatsBus.connect(link, timeout_s=3.0)
        other = await NatsBus.connect(hub.gate_link("s2"))
        await other.publish("site.s2.report.hazard.A", b"x", message_id="A")
        for length, error in (
            (SITE_PAYLOAD_BYTES - 500, MessageRefused),
            (2 * SITE_PAYLOAD_BYTES, WireError),
        ):
            with pytest.raises(error):
                await opened[0].publish(f"site.{SITE}.report.hazard.B", b"x" * length, message_id="B")
        assert (await cloud.stream_state(FLEET_REPORTS)).messages == 1
        for bus in (*opened, other, cloud):
            await bus.close()

    with running_hub(tmp_path) as hub:
        asyncio.run(asyncio.wait_for(scenario(hub), 100))


def test_streams_of_an_earlier_version_take_the_stricter_settings_and_keep_their_values(
    tmp_path: Path,
) -> None:
    async def scenario(hub: Hub) -> dict[str, Any]:
        cloud = await NatsBus.connect(hub.cloud_link())
        for bucket in BUCKETS:
            await cloud.ensure_raw_stream(
                {
                    "name": f"KV_{bucket}",
                    "subjects": [f"$KV.{bucket}.>"],
                    "max_msgs_per_subject": 1,
                    "allow_rollup_hdrs": True,
                }
            )
        await cloud.put_latest("ORDERS", SITE, b"order")
        await cloud.close()
        cloud, _ = await prepare(hub)
        streams = (await cloud.api("STREAM.LIST"))["streams"]
        with pytest.raises(MessageRefused):
            await cloud.put_latest("ORDERS", SITE, b"x" * (MAX_VALUE_BYTES + 1))
        with pytest.raises(WireError):
            await cloud.publish("$KV.ORDERS.s1", b"x", message_id="", headers={"Nats-Rollup": "all"})
        await cloud.close()
        return {stream["config"]["name"]: stream["config"] for stream in streams}

    with running_hub(tmp_path) as hub:
        configs = asyncio.run(asyncio.wait_for(scenario(hub), 100))
    values = {name for name in configs if name.startswith("KV_")}
    objects = {name for name in configs if name.startswith("OBJ_")}
    assert {*values, *objects, FLEET_REPORTS, DEAD_LETTERS} == set(configs)
    for name, config in configs.items():
        assert config["deny_delete"]
        assert 0 < config["max_msg_size"] <= 2**18
        assert config["allow_rollup_hdrs"] is (name in objects)
        assert config.get("deny_purge", False) is (name in {*values, DEAD_LETTERS})


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    nats_claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["nats"]
    return nats_claims
