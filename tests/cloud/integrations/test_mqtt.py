"""Hazards over the hub's own MQTT listener, with a real nats-server and a real MQTT client."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.integrations.mqtt_client import MqttAccess, publish
from cloud.integrations.outcome import Result
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings
from messaging.errors import ConfigurationError
from messaging.integration_resources import DeliveryResource, IntegrationResource
from messaging.nats.authority import HubAuthority
from messaging.nats.broker import free_port
from messaging.nats.broker_config import hub_config
from messaging.nats.credentials import read_credentials
from messaging.resources import SiteResource
from messaging.runtime.configuration_files import parse_settings
from tests.support.cloud.running_cloud import RunningCloud, running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker
FORGED = ("blindspot/hazards/harbour/north", "site/harbour/report/hazard/x", "$KV/ORDERS/harbour")
TOPIC = "blindspot/hazards/test/test"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    settings = CloudSettings.model_validate(
        {
            "data": tmp_path_factory.mktemp("cloud"),
            "api": ApiSettings(port=0),
            "hub": {"mqtt": {"port": free_port()}},
            "integrations": [{"kind": "mqtt", "name": "signs"}],
        }
    )
    with running_cloud(settings, lambda _: ScriptedStages(), embedded_hub=True) as up:
        yield up


class Reader:
    """An MQTT client of the city."""

    def __init__(self, cloud: RunningCloud, topic: str = "blindspot/hazards/#", **options: Any) -> None:
        assert cloud.settings.hub.mqtt is not None
        self.got: list[tuple[str, bytes]] = []
        self.granted: list[str] = []
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="signs-1", protocol=mqtt.MQTTv311, **options
        )
        self.client.username_pw_set("reader", password(cloud))
        self.client.on_message = lambda _c, _d, m: self.got.append((m.topic, m.payload))
        self.client.on_subscribe = lambda _c, _d, _m, codes, _p: self.granted.extend(str(c) for c in codes)
        self.client.on_connect = lambda c, *_: c.subscribe(topic, qos=1)
        self.client.connect("127.0.0.1", cloud.settings.hub.mqtt.port)


def password(cloud: RunningCloud) -> str:
    return (cloud.settings.folder.hub / "authority" / "mqtt" / "reader.password").read_text()


@contextmanager
def reading(cloud: RunningCloud, topic: str = "blindspot/hazards/#", **options: Any) -> Iterator[Reader]:
    reader = Reader(cloud, topic, **options)
    reader.client.loop_start()
    try:
        wait_until(lambda: reader.granted)
        yield reader
    finally:
        reader.client.disconnect()
        reader.client.loop_stop()


def send_test(cloud: RunningCloud) -> DeliveryResource:
    with cloud.client() as client:
        return client.send("POST", "integrations/signs/test", DeliveryResource)


def test_a_message_arrives_as_a_cloud_event_on_the_topic_of_its_camera(cloud: RunningCloud) -> None:
    with reading(cloud) as reader:
        assert send_test(cloud).outcome == f"the hub has taken it for topic {TOPIC}"
        wait_until(lambda: reader.got)
    topic, payload = reader.got[0]
    assert (topic, json.loads(payload)["type"]) == (TOPIC, "blindspot.hazard.test")
    with cloud.client() as client:
        (shown,) = client.page("integrations", IntegrationResource)
    assert "reader.password" in shown.target
    assert password(cloud) not in shown.target


def test_a_client_that_was_away_gets_what_was_sent_meanwhile(cloud: RunningCloud) -> None:
    with reading(cloud, clean_session=False):
        pass
    sent = send_test(cloud)
    with reading(cloud, clean_session=False) as reader:
        wait_until(lambda: any(sent.change_id.encode() in payload for _, payload in reader.got))


def test_a_reader_cannot_publish_and_sees_nothing_of_the_fleet(cloud: RunningCloud) -> None:
    with cloud.client() as client, reading(cloud, topic="#") as reader:
        for topic in FORGED:
            reader.client.publish(topic, "forged", qos=1)
        client.send("PUT", "sites/harbour", SiteResource)  # the fleet's account is busy, and reloaded
        sent = send_test(cloud)
        wait_until(lambda: any(sent.change_id.encode() in payload for _, payload in reader.got))
    assert {topic for topic, _ in reader.got} == {TOPIC}


@pytest.mark.parametrize("user", ["fleet", "wrong password"])
def test_no_other_credential_opens_the_listener(cloud: RunningCloud, user: str) -> None:
    folder = cloud.settings.folder.hub / "authority"
    token = read_credentials(folder / "cloud" / "hub.creds").token if user == "fleet" else "x" * 600
    outcome = publish(access(cloud, token), TOPIC, b"forged", timeout_s=2.0)
    assert outcome.result is Result.FAILED
    assert "Not authorized" in outcome.sentence


def test_a_reader_s_password_opens_nothing_else_of_the_hub(cloud: RunningCloud) -> None:
    port = (cloud.settings.folder.hub / "port").read_text()
    with socket.create_connection(("127.0.0.1", int(port)), 2.0) as link:
        link.recv(4096)
        link.sendall(f'CONNECT {{"jwt":"{password(cloud)}","verbose":true}}\r\nPING\r\n'.encode())
        assert b"-ERR" in link.recv(4096)


def test_a_listener_that_is_silent_or_absent_is_one_sentence(cloud: RunningCloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        outcome = publish(access(cloud, "x", port), TOPIC, b"x", timeout_s=0.3)
    assert outcome.sentence == "the hub's MQTT listener did not answer within 0.3 s"
    absent = publish(access(cloud, "x", port), TOPIC, b"x", timeout_s=0.3)
    assert absent.sentence.startswith("the hub's MQTT listener cannot be reached (")


def test_a_hub_has_no_listener_unless_it_is_asked_for(tmp_path: Path) -> None:
    authority = HubAuthority(tmp_path / "keys", clock=time.time)
    assert "mqtt" not in hub_config(tmp_path / "hub", authority).rendered(4222)
    assert not (tmp_path / "keys" / "mqtt").exists()
    text = "integrations:\n  - kind: mqtt\n    name: signs\n"
    with pytest.raises(ConfigurationError, match="kind mqtt needs a listener at the hub"):
        parse_settings(CloudSettings, text, origin="cloud.yaml", environment={})


def access(cloud: RunningCloud, token: str, port: int | None = None) -> MqttAccess:
    assert cloud.settings.hub.mqtt is not None
    return MqttAccess("127.0.0.1", port or cloud.settings.hub.mqtt.port, "cloud", token, Path("none"))
