"""Publishes one message at an MQTT 3.1.1 broker with quality of service 1; the only module that uses paho.

The broker has stored the message for every subscriber of that quality when this returns `delivered`, also for
those that are not connected and keep their session.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud.integrations.outcome import Result, SendOutcome
from messaging.runtime.os_errors import os_error_sentence

_POLL_S = 0.05


@dataclass(frozen=True)
class MqttAccess:
    """The MQTT listener of the hub, and the credentials with which the cloud publishes and others read."""

    host: str
    port: int
    user: str
    password: str
    reader_password_file: Path


def publish(access: MqttAccess, topic: str, payload: bytes, *, timeout_s: float) -> SendOutcome:
    """Publish and wait for the broker's acknowledgement; every failure is an outcome, none is raised."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.username_pw_set(access.user, access.password)
    client.connect_timeout = timeout_s
    refusals: list[str] = []

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            refusals.append(str(reason))

    client.on_connect = connected
    deadline = time.monotonic() + timeout_s
    try:
        client.connect(access.host, access.port)
        while not client.is_connected() and not refusals and time.monotonic() < deadline:
            client.loop(_POLL_S)
        if refusals:
            return SendOutcome(Result.FAILED, f"the hub's MQTT listener refuses the cloud ({refusals[0]})")
        if client.is_connected():
            sent = client.publish(topic, payload, qos=1)
            while client.is_connected() and not sent.is_published() and time.monotonic() < deadline:
                client.loop(_POLL_S)
            if sent.is_published():
                return SendOutcome(Result.DELIVERED, f"the hub has taken it for topic {topic}")
        return SendOutcome(Result.FAILED, f"the hub's MQTT listener did not answer within {timeout_s:g} s")
    except OSError as error:
        return SendOutcome(
            Result.FAILED, f"the hub's MQTT listener cannot be reached ({os_error_sentence(error)})"
        )
    finally:
        client.disconnect()
