"""Notices and integrations for tests, the same whenever they are made."""

import base64
from typing import Any

from cloud.integration_settings import CapSettings, MqttSettings, NgsiLdSettings, Position, WebhookSettings
from cloud.integrations.notice import Notice
from cloud.store.delivery_records import HazardChange, HazardFacts
from cloud.store.hazard_changes import change_id_of
from tests.support.messaging.samples import ULID_SAMPLE

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
POSITION: Position = (9.9937, 53.5511)
FACTS = HazardFacts(
    site="harbour",
    event=ULID_SAMPLE,
    camera="north",
    class_name="fire",
    severity=5,
    confidence=0.91,
    condition="night-rain",
    zone="gate-a",
    started_at_utc=1_799_999_000,
    at_utc=1_799_999_001,
)
CHANGE_ID = change_id_of(FACTS, HazardChange.OPENED, FACTS.started_at_utc)


def notice(
    change: HazardChange = HazardChange.OPENED,
    *,
    hazard: HazardFacts = FACTS,
    position: Position | None = POSITION,
) -> Notice:
    at = hazard.started_at_utc if change is HazardChange.OPENED else hazard.started_at_utc + 60
    return Notice(CHANGE_ID, change, at, hazard, position)


def webhook(url: str = "https://city.example/hazards", **values: Any) -> WebhookSettings:
    given = {"kind": "webhook", "name": "city", "url": url, "secret": SECRET}
    return WebhookSettings.model_validate(given | values)


def mqtt(**values: Any) -> MqttSettings:
    return MqttSettings.model_validate({"kind": "mqtt", "name": "signs"} | values)


def ngsi_ld(url: str = "https://broker.city.example", **values: Any) -> NgsiLdSettings:
    return NgsiLdSettings.model_validate({"kind": "ngsi_ld", "name": "context", "url": url} | values)


def cap(url: str = "https://alerts.city.example/cap", **values: Any) -> CapSettings:
    given = {"kind": "cap", "name": "alerts", "url": url, "sender": "blindspot@city.example"}
    return CapSettings.model_validate(given | values)
