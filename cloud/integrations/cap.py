"""Common Alerting Protocol 1.2 (OASIS, 1 July 2010) as XML. Pure.

`opened` is an Alert, `acknowledged`, `resolved` and `closed` are Updates of it, a false alarm is a Cancel.
Its identifier and time follow from the hazard, so that later messages can refer to it.
"""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

from cloud.integration_settings import CapSettings
from cloud.integrations.notice import Notice, rfc3339
from cloud.store.delivery_records import HazardChange

CONTENT_TYPE = "application/cap+xml"
NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
RESTRICTION = "For the operators of the city's systems"
CIRCLE_KM = 0.1
_CATEGORIES: Mapping[str, str] = {
    "fire": "Fire",
    "smoke": "Fire",
    "flood": "Met",
    "pothole": "Infra",
    "garbage": "Env",
    "fallen_person": "Rescue",
    "stopped_vehicle": "Transport",
}
_OTHER = "Safety"
_SEVERITIES = ("Minor", "Minor", "Moderate", "Severe", "Extreme")
_LIKELY = 0.5
_MESSAGE_TYPES = {
    HazardChange.OPENED: "Alert",
    HazardChange.TEST: "Alert",
    HazardChange.FALSE_ALARM: "Cancel",
}
_ENDED = {HazardChange.RESOLVED, HazardChange.FALSE_ALARM, HazardChange.CLOSED}


def cap_alert(notice: Notice, settings: CapSettings) -> bytes:
    """The alert as an XML document in UTF-8."""
    hazard, change = notice.hazard, notice.change
    opened, opened_at = f"{hazard.site}.{hazard.event}.{HazardChange.OPENED}", rfc3339(hazard.started_at_utc)
    identifier = opened if change is HazardChange.OPENED else f"{hazard.site}.{hazard.event}.{notice.id}"
    kind = _MESSAGE_TYPES.get(change, "Update")
    alert = Element("alert", {"xmlns": NAMESPACE})
    for name, value in (
        ("identifier", identifier),
        ("sender", settings.sender),
        ("sent", rfc3339(notice.changed_at)),
        ("status", "Test" if change is HazardChange.TEST else settings.status),
        ("msgType", kind),
        ("scope", "Restricted"),
        ("restriction", RESTRICTION),
    ):
        SubElement(alert, name).text = value
    if kind != "Alert":
        SubElement(alert, "references").text = f"{settings.sender},{opened},{opened_at}"
    alert.append(_info(notice, settings))
    xml: bytes = tostring(alert, encoding="utf-8", xml_declaration=True)
    return xml


def _info(notice: Notice, settings: CapSettings) -> Element:
    hazard, ended = notice.hazard, notice.change in _ENDED
    info = Element("info")
    for name, value in (
        ("language", settings.language),
        ("category", {**_CATEGORIES, **settings.categories}.get(hazard.class_name, _OTHER)),
        ("event", hazard.class_name),
        ("responseType", "AllClear" if ended else "Assess"),
        ("urgency", "Past" if ended else "Immediate"),
        ("severity", _SEVERITIES[hazard.severity - 1]),
        ("certainty", _certainty(notice)),
        ("onset", rfc3339(hazard.started_at_utc)),
        ("senderName", "Blindspot"),
        ("headline", notice.headline),
    ):
        SubElement(info, name).text = value
    for name, value in (
        ("change", str(notice.change)),
        ("confidence", f"{hazard.confidence:.2f}"),
        ("condition", hazard.condition),
        ("site", hazard.site),
        ("camera", hazard.camera),
    ):
        parameter = SubElement(info, "parameter")
        SubElement(parameter, "valueName").text = name
        SubElement(parameter, "value").text = value
    area = SubElement(info, "area")
    SubElement(area, "areaDesc").text = f"Camera {notice.place}"
    if notice.position is not None:
        longitude, latitude = notice.position
        SubElement(area, "circle").text = f"{latitude},{longitude} {CIRCLE_KM}"
    return info


def _certainty(notice: Notice) -> str:
    """What CAP calls how sure the message is; a detector alone never says Observed."""
    if notice.change is HazardChange.FALSE_ALARM:
        return "Unlikely"
    if notice.change in (HazardChange.ACKNOWLEDGED, HazardChange.RESOLVED):
        return "Observed"
    return "Likely" if notice.hazard.confidence > _LIKELY else "Possible"
