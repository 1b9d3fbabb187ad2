"""Hazards of sites reach a city's system through a running cloud, and nothing that it does delays intake."""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cloud.api.client import RemoteCloud
from cloud.cli.main import app
from cloud.errors import BadRequest, NotKnown, NotNow
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings
from messaging.integration_resources import DeliveryResource, IntegrationResource
from messaging.reports import HazardState
from messaging.resources import HazardResource, HazardStatusRequest, ReadinessResource
from tests.support.cloud.running_cloud import RunningCloud, running_cloud
from tests.support.cloud.sample_reports import new_id
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.integrations.city_system import CitySystem, city_system, hang, status
from tests.support.integrations.notices import POSITION, cap, ngsi_ld, webhook
from tests.support.messaging.samples import HAZARD
from tests.support.waiting import wait_until

POOL_THREADS = min(32, (os.cpu_count() or 1) + 4)
QUICK = {"allow_private": True, "first_wait_s": 0.2, "longest_wait_s": 0.2}


@pytest.fixture
def city() -> Iterator[CitySystem]:
    with city_system() as running:
        yield running


def settings(folder: Path, *integrations: object) -> CloudSettings:
    return CloudSettings.model_validate(
        {
            "data": folder / "cloud",
            "api": ApiSettings(port=0),
            "positions": {"harbour/north": POSITION},
            "integrations": integrations,
        }
    )


def report(cloud: RunningCloud, number: int) -> list[str]:
    """Hazards of the harbour; their events."""
    wait_until(lambda: cloud.sites)
    hazards = [HAZARD.model_copy(update={"event": new_id()}) for _ in range(number)]
    cloud.report("harbour", *hazards)
    return [hazard.event for hazard in hazards]


def deliveries(client: RemoteCloud, **query: str) -> list[DeliveryResource]:
    return client.page("deliveries", DeliveryResource, **query)


def test_a_hazard_reaches_every_kind_of_system_from_its_opening_to_its_end(
    city: CitySystem, tmp_path: Path
) -> None:
    url = city.url
    kinds = (
        webhook(url + "/webhook", **QUICK), ngsi_ld(url + "/broker", **QUICK), cap(url + "/cap", **QUICK)
    )  # fmt: skip
    with (
        running_cloud(settings(tmp_path, *kinds), lambda _: ScriptedStages(), sites=("harbour",)) as cloud,
        cloud.client() as client,
    ):
        report(cloud, 1)
        wait_until(lambda: len(city.got) == 3)
        (hazard,) = client.page("hazards", HazardResource)
        body = HazardStatusRequest(status="acknowledged")
        done = client.send("PUT", f"hazards/harbour/{hazard.event}/status", HazardResource, body)
        assert done.status == "acknowledged"
        closed = HAZARD.model_copy(update={"event": hazard.event, "state": HazardState.CLOSED})
        cloud.report("harbour", closed)
        wait_until(lambda: len(city.got) == 9)
        (hazard,) = client.page("hazards", HazardResource)
        assert (hazard.status, hazard.state) == ("acknowledged", "closed")
        found = client.page("integrations", IntegrationResource)
        wait_until(
            lambda: [one.delivered for one in client.page("integrations", IntegrationResource)] == [3, 3, 3]
        )
    events = [json.loads(got.body) for got in city.got if got.path.endswith("/webhook")]
    assert [event["type"].split(".")[-1] for event in events] == ["opened", "acknowledged", "closed"]
    assert events[0]["data"]["geometry"]["coordinates"] == list(POSITION)
    assert all(url.split("/")[2] in one.target and "/hazards" not in one.target for one in found)


def test_a_target_that_is_down_gets_everything_when_it_is_back_in_order(
    city: CitySystem, tmp_path: Path
) -> None:
    city.answer = status(503)
    with running_cloud(
        settings(tmp_path, webhook(city.url, **QUICK)), lambda _: ScriptedStages(), sites=("harbour",)
    ) as cloud:
        reported = report(cloud, 3)
        with cloud.client() as client:
            wait_until(lambda: city.got)
            wait_until(lambda: client.page("integrations", IntegrationResource)[0].fault is not None)
            (one,) = client.page("integrations", IntegrationResource)
            assert (one.waiting, one.fault) == (3, "the target answered 503")
            assert client.get("/readyz", ReadinessResource).ready
            city.answer = status(200)
            wait_until(lambda: len(deliveries(client, state="delivered")) == 3)
    events = [json.loads(got.body)["subject"] for got in city.got]
    assert list(dict.fromkeys(events)) == reported
    assert len({got.headers["webhook-id"] for got in city.got}) == 3


def test_targets_that_hang_do_not_delay_intake(city: CitySystem, tmp_path: Path) -> None:
    """More targets than the event loop's pool has threads, each of which hangs for longer than the test."""
    city.answer = hang(30.0)
    many = [webhook(city.url, name=f"slow-{n}", timeout_s=30.0, **QUICK) for n in range(POOL_THREADS + 1)]
    with running_cloud(settings(tmp_path, *many), lambda _: ScriptedStages(), sites=("harbour",)) as cloud:
        report(cloud, 1)
        wait_until(lambda: len(city.got) == len(many))
        with cloud.client() as client:
            report(cloud, 20)
            wait_until(lambda: len(client.page("hazards", HazardResource)) == 21)
            waiting = [one.waiting for one in client.page("integrations", IntegrationResource)]
        ended_s = time.monotonic()
    assert waiting == [21] * len(many), "a target answered before the hazards were stored"
    assert len(city.got) == len(many)
    assert time.monotonic() - ended_s < 15.0, "the end of the cloud waits for targets"


def test_the_command_line_tests_lists_and_replays(city: CitySystem, tmp_path: Path) -> None:
    config = settings(tmp_path, webhook(city.url, **QUICK))
    with running_cloud(config, lambda _: ScriptedStages(), sites=("harbour",)) as cloud:
        data = ["--data", str(config.data)]

        def run(*arguments: str) -> tuple[int, str]:
            done = CliRunner().invoke(app, [*arguments, *data], env={"COLUMNS": "300"})
            return done.exit_code, done.output

        assert run("integrations", "test", "city")[0] == 0
        city.answer = status(422)
        code, text = run("integrations", "test", "city")
        assert (code, "refused this message (status 422)" in text) == (1, True)
        report(cloud, 1)
        with cloud.client() as client:
            wait_until(lambda: len(deliveries(client, state="dead")) == 2)
        assert "127.0.0.1" in run("integrations", "list")[1]
        assert "refused this message" in run("integrations", "deliveries", "--state", "dead")[1]
        city.answer, before = status(200), len(city.got)
        assert run("integrations", "replay", "--all")[0] == 0
        wait_until(lambda: len(city.got) == before + 2)
        event = re.findall(r"[0-9A-Z]{26}", run("hazards", "list")[1])[0]
        assert run("hazards", "false-alarm", "harbour", event)[0] == 0
        wait_until(lambda: b"blindspot.hazard.false_alarm" in city.got[-1].body)


def test_the_api_refuses_what_is_not_known_in_one_sentence(city: CitySystem, tmp_path: Path) -> None:
    config = settings(
        tmp_path,
        webhook(city.url, **QUICK),
        webhook("https" + city.url.removeprefix("http"), name="loopback"),
    )
    with (
        running_cloud(config, lambda _: ScriptedStages(), sites=("harbour",)) as cloud,
        cloud.client() as client,
    ):
        with pytest.raises(NotKnown, match="integration 'town' is not known; known: city, loopback"):
            client.send("POST", "integrations/town/test", DeliveryResource)
        with pytest.raises(NotKnown, match="delivery 7 is not known"):
            client.send("POST", "deliveries/7/replay", DeliveryResource)
        with pytest.raises(NotKnown, match="of site 'harbour' is not known"):
            client.send(
                "PUT",
                f"hazards/harbour/{HAZARD.event}/status",
                HazardResource,
                HazardStatusRequest(status="resolved"),
            )
        with pytest.raises(BadRequest):
            deliveries(client, state="lost")
        refused = client.send("POST", "integrations/loopback/test", DeliveryResource)
        assert (refused.state, "allow_private: true" in refused.outcome, city.got) == ("dead", True, [])
        done = client.send("POST", "integrations/city/test", DeliveryResource)
        with pytest.raises(NotNow, match="is delivered; only dead letters are replayed"):
            client.send("POST", f"deliveries/{done.id}/replay", DeliveryResource)
        url = json.loads(config.folder.address.read_text())["url"]
        assert "blindspot_cloud_deliveries_waiting" in httpx.get(f"{url}/metrics", trust_env=False).text
