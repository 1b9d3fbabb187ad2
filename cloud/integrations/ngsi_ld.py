"""NGSI-LD entities of type Alert (smart data models, dataModel.Alert), in normalised form. Pure.

One entity for each hazard: every change replaces its attributes, and `validTo` is set when it has ended. The
upsert of one entity is `POST /ngsi-ld/v1/entityOperations/upsert` (ETSI GS CIM 009, 5.6.8).
"""

import json
from collections.abc import Mapping
from typing import Any

from cloud.integrations.notice import Notice, rfc3339
from cloud.store.delivery_records import HazardChange

CONTENT_TYPE = "application/ld+json"
UPSERT_PATH = "/ngsi-ld/v1/entityOperations/upsert?options=update"
CONTEXT = (
    "https://raw.githubusercontent.com/smart-data-models/dataModel.Alert/master/context.jsonld",
    "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld",
)
_CATEGORIES = {
    "fire": ("security", "buildingFire"),
    "smoke": ("security", "fireRisk"),
    "flood": ("naturalDisaster", "flood"),
    "pothole": ("traffic", "pothole"),
    "garbage": ("traffic", "hazardOnRoad"),
    "fallen_person": ("health", "fallenPatient"),
    "stopped_vehicle": ("traffic", "carStopped"),
}
_OTHER = ("security", "")
_SEVERITIES = ("informational", "low", "medium", "high", "critical")
_ENDS = {HazardChange.CLOSED, HazardChange.RESOLVED, HazardChange.FALSE_ALARM, HazardChange.TEST}


def alert_entity(notice: Notice, categories: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """The entity of a hazard after a change. `categories`: those of classes that are not shipped."""
    hazard = notice.hazard
    category, sub_category = {**_CATEGORIES, **categories}.get(hazard.class_name, _OTHER)
    entity = {
        "@context": list(CONTEXT),
        "id": f"urn:ngsi-ld:Alert:blindspot:{hazard.site}:{hazard.event}",
        "type": "Alert",
        "category": _property(category),
        "severity": _property(_SEVERITIES[hazard.severity - 1]),
        "description": _property(notice.headline),
        "dateIssued": _property(_time(notice.changed_at)),
        "validFrom": _property(_time(hazard.started_at_utc)),
        "alertSource": _property(f"urn:blindspot:{hazard.site}:{hazard.camera}"),
        "data": _property(
            {
                "change": notice.change,
                "class": hazard.class_name,
                "confidence": hazard.confidence,
                "condition": hazard.condition,
                "zone": hazard.zone,
            }
        ),
    }
    if sub_category:
        entity["subCategory"] = _property(sub_category)
    if notice.change in _ENDS:
        entity["validTo"] = _property(_time(notice.changed_at))
    if notice.position is not None:
        point = {"type": "Point", "coordinates": list(notice.position)}
        entity["location"] = {"type": "GeoProperty", "value": point}
    return entity


def upsert_body(notice: Notice, categories: Mapping[str, tuple[str, str]]) -> bytes:
    """The body of the upsert: a list of this one entity."""
    return json.dumps([alert_entity(notice, categories)], separators=(",", ":")).encode()


def _property(value: object) -> dict[str, object]:
    return {"type": "Property", "value": value}


def _time(at_utc: int) -> dict[str, str]:
    """A DateTime value, which NGSI-LD wants in UTC with `Z`."""
    return {"@type": "DateTime", "@value": rfc3339(at_utc).replace("+00:00", "Z")}
