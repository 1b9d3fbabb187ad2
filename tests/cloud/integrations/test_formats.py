"""What other systems get: CloudEvents, signatures, NGSI-LD, CAP, each judged by its specification."""

import base64
import hashlib
import hmac
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import xmlschema

from cloud.integrations.cap import cap_alert
from cloud.integrations.cloud_events import cloud_event
from cloud.integrations.ngsi_ld import alert_entity
from cloud.integrations.sending import request_of, topic_of
from cloud.integrations.signature import signature_headers
from cloud.store.delivery_records import HazardChange
from messaging.taxonomy import DEFAULT_TAXONOMY
from tests.support.integrations.notices import CHANGE_ID, FACTS, POSITION, cap, mqtt, ngsi_ld, notice, webhook

SCHEMAS = Path(__file__).with_name("schemas")
TOKEN = "t-1"
CHANGES = list(HazardChange)


def test_a_cloud_event_has_what_the_specification_demands_and_the_point_of_the_camera() -> None:
    event = json.loads(cloud_event(notice()))
    schema = json.loads((SCHEMAS / "cloudevents.json").read_text())
    jsonschema_rs.validate(schema, event, validate_formats=True)
    assert event["type"] == "blindspot.hazard.opened"
    assert event["data"]["geometry"] == {"type": "Point", "coordinates": list(POSITION)}
    assert event["data"]["properties"]["class"] == "fire"


def test_a_camera_without_a_position_has_no_geometry_instead_of_a_wrong_one() -> None:
    event = json.loads(cloud_event(notice(position=None)))
    assert event["data"]["geometry"] is None
    assert "location" not in alert_entity(notice(position=None), {})
    assert b"circle" not in cap_alert(notice(position=None), cap())


def test_nothing_of_the_image_or_the_model_is_sent() -> None:
    sent = (
        cloud_event(notice()) + cap_alert(notice(), cap()) + json.dumps(alert_entity(notice(), {})).encode()
    )
    for word in (b"box", b"digest", b"embedding"):
        assert word not in sent


def test_the_signature_is_that_of_the_example_in_the_specification() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers(
        [key], message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", sent_at=1614265330, body=b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_either_verifies() -> None:
    old = "whsec_" + base64.b64encode(b"o" * 32).decode()
    settings = webhook(old_secret=old)
    request = request_of(settings, notice(), 1_800_000_000)
    signed = f"{CHANGE_ID}.1800000000.".encode() + request.body
    expected = {
        "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        for key in settings.keys
    }
    assert set(request.headers["webhook-signature"].split()) == expected
    assert len(expected) == 2


@pytest.mark.parametrize("class_name", [*DEFAULT_TAXONOMY.names, "own_class"])
@pytest.mark.parametrize("change", CHANGES)
def test_an_alert_satisfies_the_smart_data_model(change: HazardChange, class_name: str) -> None:
    facts = type(FACTS)(**{**vars(FACTS), "class_name": class_name})
    schema = json.loads((SCHEMAS / "smart-data-models-alert.json").read_text())
    entity = alert_entity(notice(change, hazard=facts), {})
    jsonschema_rs.validate(schema, _simplified(entity), validate_formats=True)


def test_the_schema_of_the_smart_data_model_refuses_what_it_must() -> None:
    schema = json.loads((SCHEMAS / "smart-data-models-alert.json").read_text())
    good = _simplified(alert_entity(notice(), {}))
    for wrong in ({"category": "fire"}, {"severity": "5"}, {"type": "Hazard"}, {"location": [9.9, 53.5]}):
        with pytest.raises(jsonschema_rs.ValidationError):
            jsonschema_rs.validate(schema, {**good, **wrong})


def test_own_classes_get_their_categories_and_are_accused_of_nothing_without() -> None:
    own = type(FACTS)(**{**vars(FACTS), "class_name": "fallen_tree"})
    assert "subCategory" not in alert_entity(notice(hazard=own), {})
    entity = alert_entity(notice(hazard=own), {"fallen_tree": ("traffic", "roadClosed")})
    assert (entity["category"]["value"], entity["subCategory"]["value"]) == ("traffic", "roadClosed")
    assert b"<category>Infra</category>" in cap_alert(
        notice(hazard=own), cap(categories={"fallen_tree": "Infra"})
    )


@pytest.mark.parametrize("class_name", [*DEFAULT_TAXONOMY.names, "own_class"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_cap_alert_satisfies_the_schema_of_oasis(change: HazardChange, class_name: str) -> None:
    facts = type(FACTS)(**{**vars(FACTS), "class_name": class_name, "zone": None})
    xmlschema.validate(cap_alert(notice(change, hazard=facts), cap()).decode(), _cap_schema())


def test_the_schema_of_oasis_refuses_what_it_must() -> None:
    good = cap_alert(notice(), cap()).decode()
    for right, wrong in (("Actual", "Real"), ("+00:00</sent>", "Z</sent>"), ("Immediate", "Now")):
        with pytest.raises(xmlschema.XMLSchemaValidationError):
            xmlschema.validate(good.replace(right, wrong), _cap_schema())


def test_later_cap_messages_refer_to_the_alert_and_a_false_alarm_cancels_it() -> None:
    opened = _cap(HazardChange.OPENED)
    reference = f"{opened['sender']},{opened['identifier']},{opened['sent']}"
    kinds = {}
    for change in (HazardChange.ACKNOWLEDGED, HazardChange.CLOSED, HazardChange.FALSE_ALARM):
        later = _cap(change)
        assert later["references"] == reference
        assert later["identifier"] != opened["identifier"]
        kinds[change] = later["msgType"]
    assert list(kinds.values()) == ["Update", "Update", "Cancel"]
    assert opened["msgType"] == "Alert"
    assert "references" not in opened


def test_a_test_is_a_test_in_every_format() -> None:
    assert json.loads(cloud_event(notice(HazardChange.TEST)))["type"] == "blindspot.hazard.test"
    assert _cap(HazardChange.TEST)["status"] == "Test"
    assert "validTo" in alert_entity(notice(HazardChange.TEST), {})


def test_each_kind_is_sent_where_and_as_its_recipient_expects_it() -> None:
    to_broker = request_of(ngsi_ld(tenant="city", token=TOKEN), notice(), 0)
    assert to_broker.url == "https://broker.city.example/ngsi-ld/v1/entityOperations/upsert?options=update"
    assert to_broker.headers == {
        "Content-Type": "application/ld+json", "NGSILD-Tenant": "city", "Authorization": f"Bearer {TOKEN}"
    }  # fmt: skip
    assert isinstance(json.loads(to_broker.body), list)
    assert request_of(cap(), notice(), 0).headers == {"Content-Type": "application/cap+xml"}
    assert topic_of(mqtt(), notice()) == "blindspot/hazards/harbour/north"


def _cap(change: HazardChange) -> dict[str, Any]:
    found: dict[str, Any] = _cap_schema().decode(cap_alert(notice(change), cap()).decode())
    return {name.split(":")[-1]: value for name, value in found.items()}


@cache
def _cap_schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(SCHEMAS / "CAP-v1.2.xsd")


def _simplified(entity: dict[str, Any]) -> dict[str, Any]:
    """The key-value form of a normalised entity, to which the schemas of the smart data models apply."""

    def value(attribute: Any) -> Any:
        if not isinstance(attribute, dict) or "value" not in attribute:
            return attribute
        found = attribute["value"]
        return found["@value"] if isinstance(found, dict) and "@value" in found else found

    return {name: value(attribute) for name, attribute in entity.items()}
